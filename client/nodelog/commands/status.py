"""`nodelog status`: what spools hold, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nodelog.commands.stdio.stderr import Voice, shown
from nodelog.commands.stdio.stdout import put_line
from nodelog.spool.blocks import SpoolError
from nodelog.spool.inspection import SpoolContents, inspect_spool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

say = Voice("status")


def command(given: argparse.Namespace) -> int:
    """Run it with these options; return the exit code."""
    found: list[tuple[Path, SpoolContents]] = []
    for path in given.spools:
        try:
            found.append((path, inspect_spool(path)))
        except SpoolError as error:
            say(str(error))
    if given.json:
        put_line(json.dumps([to_json(path, held) for path, held in found]))
    else:
        for path, held in found:
            put_line("\n".join(to_text(path, held)))
    return 0 if len(found) == len(given.spools) else 2


def to_json(path: Path, held: SpoolContents) -> dict[str, Any]:
    """Give what `--json` prints of one spool."""
    sums = {name: sum(getattr(stream, name) for stream in held.streams) for name in ("lines", "dropped")}
    return {
        "spool": str(path),
        **asdict(held),
        "oldest": shown(held.oldest),
        "newest": shown(held.newest),
        **sums,
        "bytes": sum(stream.size for stream in held.streams),
        "lines_aside": sum(block.lines for block in held.aside),
        "bytes_aside": sum(block.size for block in held.aside),
    }


def to_text(path: Path, held: SpoolContents) -> Iterator[str]:
    """Give the lines of one spool."""
    lines, size = sum(stream.lines for stream in held.streams), sum(stream.size for stream in held.streams)
    yield f"{path}: {f'used by {held.holder}' if held.holder else 'not in use'}, format {held.format}"
    yield f"  waiting    {lines:,} lines, {size:,} bytes"
    for stream in held.streams:
        blocks = f"{stream.blocks:,} blocks, {stream.first} to {stream.last}"
        yield f"  stream     {stream.id}: {stream.lines:,} lines, {stream.size:,} bytes in {blocks}"
    if held.streams:
        yield f"  oldest     {shown(held.oldest)}"
        yield f"  newest     {shown(held.newest)}"
    if dropped := sum(stream.dropped for stream in held.streams):
        yield f"  dropped    {dropped:,} lines: there was no room for them"
    for block in held.aside:
        yield f"  set aside  {block.lines:,} lines, {block.size:,} bytes at {block.at} UTC: {block.why}"
