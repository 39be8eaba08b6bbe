"""The command `nodelog verify`: from its options to its verdict."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from nodelog.commands.stdio.stdout import write_line
from nodelog.load.live_progress import reading
from nodelog.load.verifier.file_chunks import ReadError
from nodelog.load.verifier.verdict import SentError, read_sent, to_json, to_text, verify

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Read files, print what is in them; return the exit code."""
    run, sent, unsettled = args.run, None, None
    try:
        if args.sent:
            told, sent, unsettled = read_sent(args.sent.read_text())
            if run and run != told:
                return _fail(f"--sent {args.sent} is of run {told}, not of {run}")
            run = told
        if not run:
            return _fail("which run is it? give --run, or --sent with what nodelog load --json printed")
        with reading(args.files) as tell:
            verdict = verify(run, args.files, sent, tell, unsettled)
    except ReadError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"cannot read --sent {args.sent}: {error.strerror}")
    except (SentError, UnicodeDecodeError) as error:
        return _fail(f"cannot use --sent {args.sent}: {error}")
    if args.json:
        write_line(json.dumps(to_json(verdict)))
    else:
        write_line("\n".join(to_text(verdict)))
        if not verdict.account.received:
            _fail(f"no line of run {run} in these files")
    return 0 if verdict.is_good else 1


def _fail(text: str) -> int:
    print(f"nodelog verify: {text}", file=sys.stderr)
    return 2
