"""Relays a child's stderr to the agent's own log, with the child's name in front.

Our daemons write JSON records when stderr is no terminal: their level and their fields are kept. Any other
line, such as a traceback, becomes a warning.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from nodelogd.service.logging_setup import LEVELS

if TYPE_CHECKING:
    from asyncio import StreamReader
    from collections.abc import Iterator

MAX_LINE: Final = 64 * 1024
"""Bytes of a line that wait for its LF; a longer line is logged in pieces."""
_LEVELS: Final = (*LEVELS, "critical")
_STANDARD_FIELDS: Final = {"time", "level", "message", "logger", "program"}
_RESERVED_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"asctime"}
"""Attributes of a log record, which logging refuses as extra fields."""


async def relay_stderr(stream: StreamReader, child: str) -> None:
    """Log every line until the stream ends."""
    log = logging.getLogger(child)
    splitter = LineSplitter()
    while data := await stream.read(MAX_LINE):
        for line in splitter.feed(data):
            log_line(log, child, line)
    for line in splitter.flush():
        log_line(log, child, line)


class LineSplitter:
    """Splits bytes into non-empty lines; cuts a line whose LF is still missing after MAX_LINE bytes."""

    def __init__(self) -> None:
        self._partial = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that `data` completes."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        yield from filter(None, lines)
        while len(self._partial) > MAX_LINE:
            yield self._partial[:MAX_LINE]
            self._partial = self._partial[MAX_LINE:]

    def flush(self) -> Iterator[bytes]:
        """Yield the last line if it has no LF."""
        if self._partial:
            yield self._partial


def log_line(log: logging.Logger, child: str, line: bytes) -> None:
    """Log one line at the level it states, or as a warning."""
    record = parse_record(line)
    if record is None:
        log.warning("%s: %s", child, line.decode(errors="replace"))
        return
    level = logging.getLevelName(record["level"].upper())
    fields = {
        name: value for name, value in record.items() if name not in _STANDARD_FIELDS | _RESERVED_FIELDS
    }
    log.log(level, "%s: %s", child, record["message"], extra=fields)


def parse_record(line: bytes) -> dict[str, Any] | None:
    """Parse a JSON log record; return None if the line is not one."""
    if not line.startswith(b"{"):
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # must not end the relay: the pipe would fill and block the child
        return None
    return record if record.get("level") in _LEVELS and "message" in record else None
