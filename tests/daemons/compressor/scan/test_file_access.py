"""A file that cannot be opened or read is told of, and the others go on."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from nodelogd.compressor.scan.discovery import Found
from nodelogd.compressor.scan.file_access import TRIALS, Case, Outside, StoppedError
from nodelogd.compressor.scan.log_reader import Log, ShrankError, UnreadableError

if TYPE_CHECKING:
    from pathlib import Path


class World:
    """A file, what is told of it, and errors in turn."""

    def __init__(self, path: Path, *, opening: OSError | None = None) -> None:
        path.write_bytes(b"x\n")
        self.found = Found(str(path).lstrip("/"), os.fsencode(path), path.stat())
        self.opening = opening
        self.told: list[tuple[Case, str]] = []
        self.fds: list[int] = []
        self.outside = Outside(self.open, lambda case, _, text: self.told.append((case, text)), lambda: False)
        self.buffer = memoryview(bytearray(1024 * 1024))

    def open(self, found: Found) -> int:
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
        (errno.ENOENT, Case.VANISHED),
        (errno.ELOOP, Case.VANISHED),
        (errno.EACCES, Case.UNREADABLE),
        (errno.EIO, Case.UNREADABLE),
        (errno.EMFILE, Case.UNREADABLE),
    ],
)
def test_a_file_that_cannot_be_opened_is_told_of(number: int, case: Case, tmp_path: Path) -> None:
    world = World(tmp_path / "a.log", opening=OSError(number, os.strerror(number)))
    assert (
        world.outside.read(world.found, world.buffer, lambda _found, _log: pytest.fail("it is not open")) == 0
    )
    ((told, text),) = world.told
    assert told == case
    assert text.startswith(f"{tmp_path}/a.log ")
    assert text.endswith("; it is not archived")
    assert not world.outside.peek(world.found, world.buffer, lambda _: True)


def test_what_shrinks_is_worked_on_again_and_what_fails_is_told_of(tmp_path: Path) -> None:
    world = World(tmp_path / "a.log")
    errors = iter([ShrankError(), ShrankError(), UnreadableError(OSError(errno.EIO, "Input/output error"))])

    def work(_found: Found, _log: Log) -> None:
        raise next(errors)

    world.outside.read(world.found, world.buffer, work)
    assert [case for case, _ in world.told] == [Case.SHRANK, Case.SHRANK, Case.UNREADABLE]
    assert world.are_closed()


def test_what_shrinks_for_ever_is_left_out(tmp_path: Path) -> None:
    world = World(tmp_path / "a.log")

    def work(_found: Found, log: Log) -> None:
        log.read(0, log.status.st_size + 1)

    world.outside.read(world.found, world.buffer, work)
    assert [case for case, _ in world.told] == [Case.SHRANK] * TRIALS + [Case.UNREADABLE]
    assert world.are_closed()


def test_what_shrinks_for_ever_stops_with_us(tmp_path: Path) -> None:
    world = World(tmp_path / "a.log")
    stopping = Outside(world.open, lambda *_: None, iter([False, False, True]).__next__)

    def work(_found: Found, _log: Log) -> None:
        raise ShrankError

    with pytest.raises(StoppedError):
        stopping.read(world.found, world.buffer, work)
    assert world.are_closed()


def test_what_was_read_is_counted_and_the_file_closed(tmp_path: Path) -> None:
    world = World(tmp_path / "a.log")
    assert world.outside.read(world.found, world.buffer, lambda _, log: log.read(0, 2)) == 2  # type: ignore[arg-type]
    assert world.outside.peek(world.found, world.buffer, lambda log: bytes(log.read(0, 2)) == b"x\n")
    assert world.are_closed()
    assert world.told == []


def test_who_is_to_stop_stops(tmp_path: Path) -> None:
    world = World(tmp_path / "a.log")
    world.outside.check()
    with pytest.raises(StoppedError):
        Outside(world.open, lambda *_: None, lambda: True).check()
