"""Follows a log file from line to line, through rotation and truncation, and never reads more than it may.

Who follows asks again and again with the room he has. What does not fit is skipped, not kept: the log is the
buffer. What was skipped is counted and told before the next lines. Each step looks at one file: the one that
is open, one that was sealed before its turn came, or the one that is now the log.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import aiofiles
import aiofiles.os

from nodeagent.tail.sealed_files import end_of, last_sealed, next_sealed

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from aiofiles.threadpool.binary import AsyncFileIO

BACK: Final = 64 * 1024
"""Bytes that are looked at for the last lines."""
LONGEST: Final = 64 * 1024
"""Bytes of a line; a longer one comes in pieces."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines, without their LF."""

    lines: list[bytes]


@dataclass(frozen=True, slots=True)
class Skipped:
    """So many bytes of the log were passed over."""

    size: int


@dataclass(frozen=True, slots=True)
class Truncated:
    """The file was cut; it is followed from its beginning on."""


Event: TypeAlias = "Lines | Skipped | Truncated"


class Follower:
    """Follows the file at `path`, which may be missing for a while."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: AsyncFileIO | None = None
        self._status: os.stat_result
        self._at = 0
        self._begun = b""  # of a line
        self._skipped = 0
        self._last: int | None = None  # the number of the last sealed file whose turn is over
        self._is_truncated = False  # and that was not told yet
        self._is_torn = False  # what comes next is the rest of a line whose beginning was skipped

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the file."""
        await self._close()

    async def begin(self, lines: int) -> None:
        """Go to the end of the file, so many lines before it at the most."""
        file = await self._opened()
        if file is None:
            return
        start = max(0, self._status.st_size - BACK)
        data = await self._read(file, start)
        at = len(data)
        for _ in range(lines + 1):
            at = data.rfind(b"\n", 0, at)
            if at < 0:
                break
        self._at = start + at + 1
        self._is_torn = at < 0 and start > 0

    async def step(self, room: int) -> list[Event]:
        """Give what has come since the last step, as far as there is room for it. Raises OSError."""
        file = self._file or await self._opened()
        lines = await (self._grown(file, room) if file else self._passed(room))
        events: list[Event] = []
        if self._is_truncated and room > 0:
            events.append(Truncated())
            self._is_truncated = False
        if self._skipped and room > 0:
            events.append(Skipped(self._skipped))
            self._skipped = 0
        return [*events, Lines(lines)] if lines else events

    async def _grown(self, file: AsyncFileIO, room: int) -> list[bytes]:
        """Give the lines that have come into the open file; close it at its end if another is the log."""
        self._status = await aiofiles.os.stat(file.fileno())
        if self._status.st_size < self._at:
            self._restart()
            self._is_truncated = True
        self._skip(self._status.st_size - max(room, 0))
        lines = self._cut(await self._read(file, self._at))
        if self._at == self._status.st_size and await self._is_over(file):
            lines += self._end()
            await self._mark()
            await self._close()
        return lines

    async def _passed(self, room: int) -> list[bytes]:
        """Give the lines of the next file that was sealed before it was opened."""
        sealed = await next_sealed(self._path, self._last or 0)
        if sealed is None:
            return []
        try:
            size, data = await end_of(sealed.path, room)
        except FileNotFoundError:
            return []  # it is compressed in this moment, or removed; the next step finds out
        self._last = sealed.number
        self._restart()
        self._skipped += size - len(data)
        self._is_torn = size > len(data)
        return self._cut(data) + self._end()

    async def _opened(self) -> AsyncFileIO | None:
        """Open the log, unless something was sealed whose turn is before it."""
        if self._last is None:
            self._last = await last_sealed(self._path)
        try:
            file = await aiofiles.open(self._path, "rb", buffering=0)
        except FileNotFoundError:
            return None
        if await next_sealed(self._path, self._last):  # perhaps this very one
            await file.close()
            return None
        self._file = file
        self._status = await aiofiles.os.stat(file.fileno())
        self._restart()
        return file

    async def _mark(self) -> None:
        """Remember under which number the open file was sealed, unless somebody else has moved it away."""
        sealed = await next_sealed(self._path, self._last or 0)
        if sealed is None:
            return
        with suppress(FileNotFoundError):  # it is compressed in this moment
            if sealed.is_plain and not os.path.samestat(await aiofiles.os.stat(sealed.path), self._status):
                return
        self._last = sealed.number

    async def _close(self) -> None:
        if self._file is not None:
            await self._file.close()
            self._file = None

    async def _read(self, file: AsyncFileIO, at: int) -> bytes:
        """Read from here to the end of the file, as it was when it was looked at."""
        await file.seek(at)
        data = await file.read(self._status.st_size - at)
        self._at = at + len(data)
        return data

    async def _is_over(self, file: AsyncFileIO) -> bool:
        """Tell whether another file has taken the place of this one, and nothing more has come into it."""
        try:
            there = await aiofiles.os.stat(self._path)
        except FileNotFoundError:
            return False  # the new one is not there yet; until then the old one may grow
        if os.path.samestat(there, self._status):
            return False
        return (await aiofiles.os.stat(file.fileno())).st_size == self._at

    def _restart(self) -> None:
        self._at, self._begun, self._is_torn = 0, b"", False

    def _skip(self, at: int) -> None:
        """Go on from here, if that is further on; from the byte before it, which may end a line."""
        if at > self._at:
            self._skipped += at - 1 - self._at + len(self._begun)
            self._at, self._begun, self._is_torn = at - 1, b"", True

    def _cut(self, data: bytes) -> list[bytes]:
        """Cut what was read into lines."""
        if self._is_torn:
            rest, end, data = data.partition(b"\n")
            self._skipped += len(rest) + len(end)
            self._is_torn = not end
        *lines, self._begun = (self._begun + data).split(b"\n")
        while len(self._begun) > LONGEST:
            lines.append(self._begun[:LONGEST])
            self._begun = self._begun[LONGEST:]
        return lines

    def _end(self) -> list[bytes]:
        """Give the line that ends with its file."""
        begun, self._begun = self._begun, b""
        return [begun] if begun else []
