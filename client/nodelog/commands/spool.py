"""`nodelog spool`: lists, exports and discards the lines that were set aside in a spool's file."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from nodelog.commands.stdio.new_file import FileError, write_new_file
from nodelog.commands.stdio.stderr import MessagePrinter
from nodelog.commands.stdio.stdout import is_terminal, write, write_line
from nodelog.commands.stdio.terminal_escaping import escape
from nodelog.spool.inspection import inspect_spool
from nodelog.spool.set_aside import opened_set_aside

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from nodelog.spool.inspection import SetAsideBlock
    from nodelog.spool.set_aside import SetAsideBlocks

DONE: Final = 0
DECLINED: Final = 1
UNUSABLE: Final = 2

print_message = MessagePrinter("spool")


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit code. Raises SpoolError, OutputError, BrokenPipeError."""
    return _ACTIONS[args.action](args)


def _list(args: argparse.Namespace) -> int:
    contents = inspect_spool(args.file)
    if args.json:
        write_line(
            json.dumps({"spool": str(args.file), "holder": contents.holder, **_summary(contents.aside)})
        )
        return DONE
    write_line(f"{args.file}: {_describe(contents.aside)} set aside")
    for block in contents.aside:
        state = ", exported" if block.exported else ""
        write_line(
            f"  {block.row}  {_escape(block.at)} UTC  {block.lines:,} lines, {block.size:,} bytes{state}:"
            f" {_escape(block.why)}"
        )
    return DONE


def _export(args: argparse.Namespace) -> int:
    if args.json and args.to is None:
        print_message("--json needs --to: standard output is for the lines")
        return UNUSABLE
    with opened_set_aside(args.file) as aside:
        blocks = [block for block in aside.all if args.again or not block.exported]
        if args.to is None and is_terminal():
            _show(aside, blocks)
            return DONE
        try:
            _write(aside, blocks, args.to)
        except FileError as error:
            print_message(f"cannot write {args.to}: {error}; nothing counts as exported")
            return UNUSABLE
        aside.mark_exported(blocks)
    _report(args, blocks, "exported")
    if aside.all and not blocks:
        print_message("all that is set aside was exported before; --again exports it again")
    return DONE


def _show(aside: SetAsideBlocks, blocks: Sequence[SetAsideBlock]) -> None:
    """Print lines on a terminal, which they must not control."""
    for block in blocks:
        for line in aside.read(block).removesuffix(b"\n").split(b"\n"):
            write_line("\t".join(map(escape, line.split(b"\t"))))


def _write(aside: SetAsideBlocks, blocks: Sequence[SetAsideBlock], to: Path | None) -> None:
    """Write the lines of these blocks to standard output, or durably to a new file. Raises FileError."""
    if to is None:
        for block in blocks:
            write(aside.read(block))
    elif blocks:
        write_new_file(to, (aside.read(block) for block in blocks))


def _discard(args: argparse.Namespace) -> int:
    with opened_set_aside(args.file) as aside:
        shown = [block for block in aside.all if block.exported or not args.exported]
    if shown and not args.yes and (code := _ask(args.file, shown)) != DONE:
        return code
    # The lock is not held while a person thinks: the program that uses the spool may have to start.
    with opened_set_aside(args.file) as aside:
        known = {_identity(block) for block in shown}
        blocks = [block for block in aside.all if _identity(block) in known]
        aside.discard(blocks)
    _report(args, blocks, "discarded")
    return DONE


def _identity(block: SetAsideBlock) -> tuple[object, ...]:
    return block.row, block.stream, block.block, block.at


def _ask(path: Path, blocks: Sequence[SetAsideBlock]) -> int:
    """Ask on the terminal whether to discard these blocks."""
    if sys.stdin is None or not sys.stdin.isatty():
        print_message("nothing was discarded: without a terminal to ask on, it needs --yes")
        return UNUSABLE
    fresh = [block for block in blocks if not block.exported]
    warning = f"; {_describe(fresh)} were never exported" if fresh else ""
    sys.stderr.write(f"Discard {_describe(blocks)} set aside in {path}{warning}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline(100).strip().lower() in {"y", "yes"}:
        return DONE
    print_message("nothing was discarded")
    return DECLINED


def _report(args: argparse.Namespace, blocks: Sequence[SetAsideBlock], what: str) -> None:
    if args.json:
        write_line(json.dumps({"spool": str(args.file), "done": what, **_summary(blocks)}))
    else:
        print_message(f"{args.file}: {_describe(blocks)} {what}")


def _summary(blocks: Sequence[SetAsideBlock]) -> dict[str, object]:
    return {
        "blocks": [asdict(block) for block in blocks],
        "lines": sum(b.lines for b in blocks),
        "bytes": sum(b.size for b in blocks),
    }


def _describe(blocks: Sequence[SetAsideBlock]) -> str:
    lines, size = sum(block.lines for block in blocks), sum(block.size for block in blocks)
    return f"{len(blocks)} block{'' if len(blocks) == 1 else 's'} ({lines:,} lines, {size:,} bytes)"


def _escape(text: str) -> str:
    return escape(text.encode(errors="replace"))


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "list": _list,
    "export": _export,
    "discard": _discard,
}
