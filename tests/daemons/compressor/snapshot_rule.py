"""The rule of docs/compressor.md for the archived part of a file, written independently of the code."""

from __future__ import annotations

MIB = 1024 * 1024


class Snapshot:
    """The archived content of a file, and the size the file had."""

    def __init__(self, content: bytes, size: int) -> None:
        self.content = content
        self.size = size


def expected_content(data: bytes, previous: Snapshot | None) -> bytes:
    """Return what the next snapshot of a file contains."""
    if previous is not None and not data.startswith(previous.content):
        previous = None
    if previous is not None and previous.size == len(data):
        return data
    end = data.rfind(b"\n") + 1
    if len(data) - end > MIB:
        return data
    if previous is not None and end <= len(previous.content):
        has_waited = previous.size > len(previous.content)
        return data if has_waited else previous.content
    return data[:end]
