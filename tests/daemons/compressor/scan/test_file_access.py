"""A file that cannot be opened or read is told of, and the others go on."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from nodelogd.compressor.scan.discovery import LogFile
from nodelogd.compressor.scan.file_access import ATTEMPTS, FileAccess, FileAnomaly, StoppedError
from nodelogd.compressor.scan.log_reader import LogReader, ShrankError, UnreadableError

if TYPE_CHECKING:
    from pathlib import Path


class World:
    """A file, what is told of it, and errors in turn."""

    def __init__(self, path: Path, *, opening: OSError | None = None) -> None:
        path.write_bytes(b"x\n")
        self.found = LogFile(str(path).lstrip("/"), os.fsencode(path), path.stat())
        self.opening = opening
        self.told: list[tuple[FileAnomaly, str]] = []
        self.fds: list[int] = []
        self.outside = FileAccess(
            self.open, lambda case, _, text: self.told.append((case, text)), lambda: False
        )
        self.buffer = memoryview(bytearray(1024 * 1024))

    def open(self, found: LogFile) -> int:
        """Fail, or open it."""
        if self.opening:
            raise self.opening
        self.fds.append(os.open(found.path, os.O_RDONLY))
        return self.fds[-1]

    def are_closed(self) -> bool:
        """Say whether nothing was left open."""
        return not any(os.path.exists(f"/proc/self/fd/{fd}") for fd in self.fds)


@pytest.mark.parametrize(
    ("number", "case"),
    [
        (errno.ENOENT, FileAnomaly.VANISHED),
        (errno.ELOOP, FileAnomaly.VANISHED),
        (errno.EACCES, FileAnomaly.UNREADABLE),
        (errno.EIO, FileAnomaly.UNREADABLE),
        (errno.EMFILE, FileAnomaly.UNREADABLE),
    ],
)
def test_a_file_that_cannot_be_opened_is_reported(number: int, case: FileAnomaly, tmp_path: Path) -> None:
    world = World(tmp_path / "a.log", opening=OSError(number, os.strerror(number)))
    assert (
        world.outside.read(world.found, world.buffer, lambda _found, _log: pytest.fail("it is not open")) == 0
    )
    ((told, text),) = world.told
    assert told == case
    assert text.startswith(f"{tmp_path}/a.log ")
    assert text.endswith("; it is not archived")
    assert not world.outside.inspect(world.found, world.buffer, lambda _: True)


def test_a_file_that_shrinks_is_read_again_and_a_failure_is_reported(tmp_path: Path) -> None:
    world = World(tmp_path / "a.log")
    errors = iter([ShrankError(), ShrankError(), UnreadableError(OSError(errno.EIO, "Input/output error"))])

    def work(_found: LogFile, _log: LogReader) -> None:
        raise next(errors)

    world.outside.read(world.found, world.buffer, work)
    assert [case for case, _ in world.told] == [
        FileAnomaly.SHRANK,
        FileAnomaly.SHRANK,
        FileAnomaly.UNREADABLE,
    ]
    assert world.are_closed()


def test_a_file_that_keeps_shrinking_is_left_out(tmp_path: Path) -> None:
    world = World(tmp_path / "a.log")

    def work(_found: LogFile, log: LogReader) -> None:
        log.read(0, log.status.st_size + 1)

    world.outside.read(world.found, world.buffer, work)
    assert [case for case, _ in world.told] == [FileAnomaly.SHRANK] * ATTEMPTS + [FileAnomaly.UNREADABLE]
    assert world.are_closed()


def test_a_stop_ends_the_attempts_to_read_a_shrinking_file(tmp_path: Path) -> None:
    world = World(tmp_path / "a.log")
    stopping = FileAccess(world.open, lambda *_: None, iter([False, False, True]).__next__)

    def work(_found: LogFile, _log: LogReader) -> None:
        raise ShrankError

    with pytest.raises(StoppedError):
        stopping.read(world.found, world.buffer, work)
    assert world.are_closed()


def test_bytes_read_are_counted_and_the_file_is_closed(tmp_path: Path) -> None:
    world = World(tmp_path / "a.log")
    assert world.outside.read(world.found, world.buffer, lambda _, log: log.read(0, 2)) == 2  # type: ignore[arg-type]
    assert world.outside.inspect(world.found, world.buffer, lambda log: bytes(log.read(0, 2)) == b"x\n")
    assert world.are_closed()
    assert world.told == []


def test_check_stop_raises_when_stopping(tmp_path: Path) -> None:
    world = World(tmp_path / "a.log")
    world.outside.check_stop()
    with pytest.raises(StoppedError):
        FileAccess(world.open, lambda *_: None, lambda: True).check_stop()
