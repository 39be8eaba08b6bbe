"""What a child says on its stderr, said again in the agent's own log, with the child's name.

Our daemons write JSON records where nobody looks at a terminal: their level and their fields are kept. Any
other line, such as a traceback, is a warning.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from nodelogd.service.logging_setup import LEVELS

if TYPE_CHECKING:
    from asyncio import StreamReader
    from collections.abc import Iterator

LONGEST: Final = 64 * 1024
"""Bytes of a line; a longer one is said in pieces."""
_LEVELS: Final = (*LEVELS, "critical")
_SAID: Final = {"time", "level", "message", "logger", "program"}
_TAKEN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"asctime"}
"""What logging has for something of its own, and would refuse."""


async def echo(stream: StreamReader, child: str) -> None:
    """Say all that comes, until the stream ends."""
    log = logging.getLogger(child)
    lines = Lines()
    while data := await stream.read(LONGEST):
        for line in lines.feed(data):
            say(log, child, line)
    for line in lines.end():
        say(log, child, line)


class Lines:
    """Cuts what comes into lines of LONGEST bytes at the most."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that these bytes complete."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        yield from filter(None, lines)
        while len(self._begun) > LONGEST:
            yield self._begun[:LONGEST]
            self._begun = self._begun[LONGEST:]

    def end(self) -> Iterator[bytes]:
        """Yield the line that has no end."""
        if self._begun:
            yield self._begun


def say(log: logging.Logger, child: str, line: bytes) -> None:
    """Say one line."""
    record = parsed(line)
    if record is None:
        log.warning("%s: %s", child, line.decode(errors="replace"))
        return
    level = logging.getLevelName(record["level"].upper())
    fields = {name: value for name, value in record.items() if name not in _SAID | _TAKEN}
    log.log(level, "%s: %s", child, record["message"], extra=fields)


def parsed(line: bytes) -> dict[str, Any] | None:
    """Give the record that the line is, if it is one."""
    if not line.startswith(b"{"):
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # what ends the echo stops the child: its pipe fills
        return None
    return record if record.get("level") in _LEVELS and "message" in record else None
