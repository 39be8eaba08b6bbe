"""`nodelog status`: the contents of spools, as text or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nodelog.commands.stdio.stderr import MessagePrinter
from nodelog.commands.stdio.stdout import write_line
from nodelog.commands.stdio.terminal_escaping import escape, escape_text
from nodelog.spool.blocks import SpoolError
from nodelog.spool.inspection import SpoolContents, inspect_spool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

print_message = MessagePrinter("status")


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    spools: list[tuple[Path, SpoolContents]] = []
    for path in args.spools:
        try:
            spools.append((path, inspect_spool(path)))
        except SpoolError as error:
            print_message(str(error))
    if args.json:
        write_line(json.dumps([to_json(path, spool) for path, spool in spools]))
    else:
        for path, spool in spools:
            write_line("\n".join(to_text(path, spool)))
    return 0 if len(spools) == len(args.spools) else 2


def to_json(path: Path, spool: SpoolContents) -> dict[str, Any]:
    """Return what `--json` prints of one spool."""
    sums = {name: sum(getattr(stream, name) for stream in spool.streams) for name in ("lines", "dropped")}
    return {
        "spool": str(path),
        **asdict(spool),
        "oldest": escape(spool.oldest),
        "newest": escape(spool.newest),
        **sums,
        "bytes": sum(stream.size for stream in spool.streams),
        "lines_aside": sum(block.lines for block in spool.aside),
        "bytes_aside": sum(block.size for block in spool.aside),
    }


def to_text(path: Path, spool: SpoolContents) -> Iterator[str]:
    """Yield the lines that describe one spool."""
    lines = sum(stream.lines for stream in spool.streams)
    size = sum(stream.size for stream in spool.streams)
    use = f"used by {escape_text(spool.holder)}" if spool.holder else "not in use"
    yield f"{path}: {use}, format {spool.format}"
    yield f"  waiting    {lines:,} lines, {size:,} bytes"
    for stream in spool.streams:
        blocks = f"{stream.blocks:,} blocks, {stream.first} to {stream.last}"
        yield f"  stream     {stream.id}: {stream.lines:,} lines, {stream.size:,} bytes in {blocks}"
    if spool.streams:
        yield f"  oldest     {escape(spool.oldest)}"
        yield f"  newest     {escape(spool.newest)}"
    if dropped := sum(stream.dropped for stream in spool.streams):
        yield f"  dropped    {dropped:,} lines: there was no room for them"
    for block in spool.aside:
        when = f"{escape_text(block.at)} UTC: {escape_text(block.why)}"
        yield f"  set aside  {block.lines:,} lines, {block.size:,} bytes at {when}"
