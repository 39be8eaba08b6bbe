"""The command `nodelog verify`: reads files of a collector and prints what became of a load."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from nodelog.commands.stdio.stdout import write_line
from nodelog.load.live_progress import show_reading
from nodelog.load.verifier.file_chunks import ReadError
from nodelog.load.verifier.verdict import SentError, parse_sent, to_json, to_text, verify

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    run, sent, unacknowledged = args.run, None, None
    try:
        if args.sent:
            sent_run, sent, unacknowledged = parse_sent(args.sent.read_text())
            if run and run != sent_run:
                return _fail(f"--sent {args.sent} is of run {sent_run}, not of {run}")
            run = sent_run
        if not run:
            return _fail("no run is given: use --run, or --sent with the output of nodelog load --json")
        with show_reading(args.files) as update:
            verdict = verify(run, args.files, sent, update, unacknowledged)
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
        if not verdict.counts.received:
            _fail(f"no line of run {run} in these files")
    return 0 if verdict.is_good else 1


def _fail(text: str) -> int:
    print(f"nodelog verify: {text}", file=sys.stderr)
    return 2
