"""What a log follower reports, encoded as server-sent events with JSON data.

    event: lines      data: ["…", "…"]
    event: skipped    data: {"bytes": 1048576}
    event: truncated  data: {}
    event: failed     data: {"why": "…"}

A line is a JSON string in ASCII: whatever is in it, it is text, and never part of the protocol or of a page.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nodeagent.tail.log_follower import Lines, Skipped, Truncated

if TYPE_CHECKING:
    from nodeagent.tail.log_follower import Event


def encode_event(event: Event, wanted: bytes, room: int) -> tuple[bytes, int]:
    """Return the encoded event, and how many bytes of the log it skips.

    Lines without the text `wanted` are left out; if none remains, the encoded event is empty.
    """
    match event:
        case Lines(lines):
            texts, skipped = fit_lines(lines, wanted, room)
            encoded = _format_event("lines", f"[{', '.join(texts)}]") if texts else b""
            return (_encode_skipped(skipped) if skipped else b"") + encoded, skipped
        case Skipped(size):
            return _encode_skipped(size), size
        case Truncated():
            return _format_event("truncated", "{}"), 0


def encode_failure(why: str) -> bytes:
    """Return the encoded event that ends a stream whose log cannot be read."""
    return _format_event("failed", json.dumps({"why": why}))


def fit_lines(lines: list[bytes], wanted: bytes, room: int) -> tuple[list[str], int]:
    """Return the last of the wanted lines that fit, as JSON, and how many bytes of the log precede them.

    A line may be six times as long in JSON.
    """
    texts: list[str] = []
    for number in range(len(lines), 0, -1):
        if wanted in (line := lines[number - 1]):
            text = json.dumps(line.decode(errors="surrogateescape"))
            room -= len(text) + len(", ")
            if room < 0:
                return texts[::-1], sum(len(line) + 1 for line in lines[:number])
            texts.append(text)
    return texts[::-1], 0


def _encode_skipped(size: int) -> bytes:
    return _format_event("skipped", json.dumps({"bytes": size}))


def _format_event(name: str, data: str) -> bytes:
    # json.dumps writes ASCII and escapes CR and LF, which would end a field of the protocol.
    return f"event: {name}\ndata: {data}\n\n".encode()
