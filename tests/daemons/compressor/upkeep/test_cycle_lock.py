from __future__ import annotations

import fcntl
import os
import socket
from typing import TYPE_CHECKING

import pytest

from nodelogd.compressor.upkeep.cycle_lock import BusyError, hold_cycle_lock

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = f"process {os.getpid()} on {socket.gethostname()}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".lock"


def no_wait(seconds: float) -> bool:
    pytest.fail(f"waited {seconds} s")


def test_a_free_lock_is_held_at_once_and_names_its_holder(path: Path) -> None:
    for _ in range(2):
        with hold_cycle_lock(path, no_wait):
            assert path.read_text() == f"{HOLDER}\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_same_holder_writes_its_name_once(path: Path) -> None:
    with hold_cycle_lock(path, no_wait):
        pass
    os.utime(path, (0, 0))
    with hold_cycle_lock(path, no_wait):
        assert path.stat().st_mtime == 0


def test_the_name_of_an_earlier_holder_is_replaced(path: Path) -> None:
    path.write_text("a very long name of an earlier holder" * 10)
    with hold_cycle_lock(path, no_wait):
        assert path.read_text() == f"{HOLDER}\n"


def test_the_error_names_the_holder(path: Path) -> None:
    with (
        hold_cycle_lock(path, no_wait),
        pytest.raises(BusyError, match=f"is held by {HOLDER}"),
        hold_cycle_lock(path, lambda _: False),
    ):
        pass


def test_the_lock_is_taken_when_its_holder_releases_it(path: Path) -> None:
    holder = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    waits: list[float] = []

    def pause(seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 3:
            os.close(holder)
        return True

    with hold_cycle_lock(path, pause):
        assert len(waits) == 3


def test_a_lock_file_that_was_removed_meanwhile_is_created_again(
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
    with hold_cycle_lock(path, lambda _: True):
        assert path.read_text() == f"{HOLDER}\n"


def test_a_link_in_place_of_the_lock_is_replaced_and_not_followed(path: Path) -> None:
    path.symlink_to(path.parent / "other")
    with hold_cycle_lock(path, no_wait):
        assert not path.is_symlink()
    assert not (path.parent / "other").exists()


def test_a_lock_that_another_user_holds_is_replaced(path: Path) -> None:
    path.touch(mode=0o666)
    os.chown(path, 1000, 1000)
    with path.open() as foreign:
        fcntl.flock(foreign, fcntl.LOCK_EX)
        with hold_cycle_lock(path, no_wait):
            assert path.stat().st_uid == os.geteuid()


def test_on_a_full_disk_the_lock_works_without_a_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "pwrite", fail)
    with (
        hold_cycle_lock(path, no_wait),
        pytest.raises(BusyError, match="an unknown process"),
        hold_cycle_lock(path, lambda _: False),
    ):
        pass
