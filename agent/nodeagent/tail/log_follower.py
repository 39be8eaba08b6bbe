"""Follows a log file line by line through rotation and truncation, and never reads more than it may.

The caller polls with the room it has. What does not fit is skipped, not kept: the log is the buffer. Skipped
bytes are counted and reported before the next lines. Each poll reads one file: the open one, one that was
sealed before it could be opened, or the current log.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import aiofiles
import aiofiles.os

from nodeagent.tail.content_sample import ContentSample
from nodeagent.tail.sealed_files import last_sealed, next_sealed, read_end

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from aiofiles.threadpool.binary import AsyncFileIO

LOOKBACK: Final = 64 * 1024
"""Bytes at the end of the log that are searched for the last lines."""
MAX_LINE: Final = 64 * 1024
"""Bytes of a line that wait for its LF; a longer line comes in pieces."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines, without their LF."""

    lines: list[bytes]


@dataclass(frozen=True, slots=True)
class Skipped:
    """This many bytes of the log were skipped."""

    size: int


@dataclass(frozen=True, slots=True)
class Truncated:
    """The file was truncated, or its content replaced; it is followed from its new beginning."""


Event: TypeAlias = "Lines | Skipped | Truncated"


class LogFollower:
    """Follows the file at `path`, which may be missing for a while."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: AsyncFileIO | None = None
        self._status: os.stat_result  # of the open file
        self._sample = ContentSample()
        self._offset = 0
        self._partial = b""  # a line whose LF is still missing
        self._skipped = 0
        self._last_sealed: int | None = None  # its number; it and those before it need no reading
        self._is_truncation_pending = False  # it has not been reported yet
        self._is_mid_line = False  # what comes next is the rest of a line whose beginning was skipped

    async def __aenter__(self) -> Self:
        """Return the follower."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the file."""
        await self._close()

    async def seek_last(self, lines: int) -> None:
        """Go to the last `lines` lines of the log, as far as LOOKBACK bytes hold them. Raises OSError."""
        file = await self._open()
        if file is None:
            return
        start = max(0, self._status.st_size - LOOKBACK)
        data = await self._read(file, start)
        at = len(data)
        for _ in range(lines + 1):
            at = data.rfind(b"\n", 0, at)
            if at < 0:
                break
        self._offset = start + at + 1
        self._is_mid_line = at < 0 and start > 0

    async def poll(self, room: int) -> list[Event]:
        """Return what was added since the last poll, as far as `room` bytes hold it. Raises OSError."""
        file = self._file or await self._open()
        lines = await (self._read_open_file(file, room) if file else self._read_sealed_file(room))
        events: list[Event] = []
        if self._is_truncation_pending and room > 0:
            events.append(Truncated())
            self._is_truncation_pending = False
        if self._skipped and room > 0:
            events.append(Skipped(self._skipped))
            self._skipped = 0
        return [*events, Lines(lines)] if lines else events

    async def _read_open_file(self, file: AsyncFileIO, room: int) -> list[bytes]:
        """Return the new lines of the open file; close it at its end if another file is now the log."""
        previous, self._status = self._status, await aiofiles.os.stat(file.fileno())
        if await self._is_rewritten(file, previous):
            self._restart()
            self._is_truncation_pending = True
        self._skip_to(self._status.st_size - max(room, 0))
        lines = self._split(await self._read(file, self._offset))
        if self._offset == self._status.st_size and await self._is_finished(file):
            lines += self._take_partial()
            await self._record_sealed_number()
            await self._close()
        return lines

    async def _is_rewritten(self, file: AsyncFileIO, previous: os.stat_result) -> bool:
        """Return whether what was read is no longer what the open file holds."""
        status = self._status
        if status.st_size < self._offset:
            return True
        if (status.st_size, status.st_mtime_ns) == (previous.st_size, previous.st_mtime_ns):
            return False
        return not await asyncio.to_thread(self._sample.matches, file.fileno())

    async def _read_sealed_file(self, room: int) -> list[bytes]:
        """Return the lines of the next file that was sealed before it could be opened."""
        sealed = await next_sealed(self._path, self._last_sealed or 0)
        if sealed is None:
            return []
        try:
            size, data = await read_end(sealed.path, room)
        except FileNotFoundError:
            return []  # it is being compressed right now, or was removed; the next poll finds out
        self._last_sealed = sealed.number
        self._restart()
        self._skipped += size - len(data)
        self._is_mid_line = size > len(data)
        return self._split(data) + self._take_partial()

    async def _open(self) -> AsyncFileIO | None:
        """Open the log, unless it is missing or a sealed file has to be read before it."""
        if self._last_sealed is None:
            self._last_sealed = await last_sealed(self._path)
        try:
            file = await aiofiles.open(self._path, "rb", buffering=0)
        except FileNotFoundError:
            return None
        if await next_sealed(self._path, self._last_sealed):  # perhaps the file just opened
            await file.close()
            return None
        self._file = file
        self._status = await aiofiles.os.stat(file.fileno())
        self._restart()
        return file

    async def _record_sealed_number(self) -> None:
        """Record the number under which the open file was sealed, unless another program moved it away."""
        sealed = await next_sealed(self._path, self._last_sealed or 0)
        if sealed is None:
            return
        with suppress(FileNotFoundError):  # it is being compressed right now
            if sealed.is_plain and not os.path.samestat(await aiofiles.os.stat(sealed.path), self._status):
                return
        self._last_sealed = sealed.number

    async def _close(self) -> None:
        if self._file is not None:
            await self._file.close()
            self._file = None

    async def _read(self, file: AsyncFileIO, offset: int) -> bytes:
        """Read from `offset` to the end that the file had at the last stat."""
        await file.seek(offset)
        data = await file.read(self._status.st_size - offset)
        self._sample.add(file.fileno(), offset, data)
        self._offset = offset + len(data)
        return data

    async def _is_finished(self, file: AsyncFileIO) -> bool:
        """Return whether another file is now at the path, and this one has not grown since it was read."""
        try:
            current = await aiofiles.os.stat(self._path)
        except FileNotFoundError:
            return False  # the new file does not exist yet; until then the old one may grow
        if os.path.samestat(current, self._status):
            return False
        return (await aiofiles.os.stat(file.fileno())).st_size == self._offset

    def _restart(self) -> None:
        self._sample = ContentSample()
        self._offset, self._partial, self._is_mid_line = 0, b"", False

    def _skip_to(self, offset: int) -> None:
        """Skip forward to `offset`; start at the byte before it, which may be the LF that ends a line."""
        if offset > self._offset:
            self._skipped += offset - 1 - self._offset + len(self._partial)
            self._offset, self._partial, self._is_mid_line = offset - 1, b"", True

    def _split(self, data: bytes) -> list[bytes]:
        """Split what was read into lines, and keep the partial line at its end."""
        if self._is_mid_line:
            rest, end, data = data.partition(b"\n")
            self._skipped += len(rest) + len(end)
            self._is_mid_line = not end
        *lines, self._partial = (self._partial + data).split(b"\n")
        while len(self._partial) > MAX_LINE:
            lines.append(self._partial[:MAX_LINE])
            self._partial = self._partial[MAX_LINE:]
        return lines

    def _take_partial(self) -> list[bytes]:
        """Return the partial line, which the end of its file completes."""
        partial, self._partial = self._partial, b""
        return [partial] if partial else []
