from __future__ import annotations

import fcntl
import os
import socket
from typing import TYPE_CHECKING

import pytest

from nodelogd.compressor.upkeep.cycle_lock import BusyError, locked

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = f"process {os.getpid()} on {socket.gethostname()}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".lock"


def nobody(seconds: float) -> bool:
    pytest.fail(f"waited {seconds} s")


def test_a_free_lock_is_held_at_once_and_names_its_holder(path: Path) -> None:
    for _ in range(2):
        with locked(path, nobody):
            assert path.read_text() == f"{HOLDER}\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_same_holder_signs_once(path: Path) -> None:
    with locked(path, nobody):
        pass
    os.utime(path, (0, 0))
    with locked(path, nobody):
        assert path.stat().st_mtime == 0


def test_what_an_earlier_holder_wrote_does_not_stay(path: Path) -> None:
    path.write_text("a very long name of an earlier holder" * 10)
    with locked(path, nobody):
        assert path.read_text() == f"{HOLDER}\n"


def test_a_holder_is_named_to_who_will_not_wait(path: Path) -> None:
    with (
        locked(path, nobody),
        pytest.raises(BusyError, match=f"is held by {HOLDER}"),
        locked(path, lambda _: False),
    ):
        pass


def test_a_holder_that_goes_is_waited_for(path: Path) -> None:
    holder = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    waits: list[float] = []

    def pause(seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 3:
            os.close(holder)
        return True

    with locked(path, pause):
        assert len(waits) == 3


def test_a_lock_that_was_removed_while_it_was_taken_is_taken_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock
    removed: list[Path] = []

    def flock(fd: int, how: int) -> None:
        real(fd, how)
        if not removed:
            path.unlink()
            removed.append(path)

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(path, lambda _: True):
        assert path.read_text() == f"{HOLDER}\n"


def test_no_link_in_its_place_is_followed(path: Path) -> None:
    path.symlink_to(path.parent / "other")
    with pytest.raises(OSError, match="symbolic links"), locked(path, nobody):
        pass


def test_on_a_full_disk_it_goes_without_a_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "pwrite", fails)
    with (
        locked(path, nobody),
        pytest.raises(BusyError, match="an unknown process"),
        locked(path, lambda _: False),
    ):
        pass
