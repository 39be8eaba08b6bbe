"""What an archive is to hold of a file, by the rule of docs/compressor.md."""

from __future__ import annotations

MIB = 1024 * 1024


class Seen:
    """What an archive has of a file."""

    def __init__(self, content: bytes, size: int) -> None:
        self.content = content
        self.size = size


def expected(data: bytes, seen: Seen | None) -> bytes:
    """Give the snapshot of a file by the rule of docs/compressor.md."""
    if seen is not None and not data.startswith(seen.content):
        seen = None
    if seen is not None and seen.size == len(data):
        return data
    end = data.rfind(b"\n") + 1
    return data if len(data) - end > MIB else data[:end]
