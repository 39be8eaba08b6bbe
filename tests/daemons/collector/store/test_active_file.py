from __future__ import annotations

import errno
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.os_calls import intercept_os_calls

from nodelogd.collector.store.active_file import ActiveFile, opening

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node_log"


def open_at_end(path: Path) -> ActiveFile:
    file = ActiveFile(path)
    file.seek_end(file.terminate_last_line())
    return file


def append_foreign(path: Path, foreign: bytes) -> None:
    with path.open("ab") as file:
        file.write(foreign)


def test_a_batch_that_does_not_fit_leaves_nothing_and_is_not_retried_before_there_is_space(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = open_at_end(path)
    file.append(memoryview(b"one\n"))
    real, attempts = os.write, []

    def write_half(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "write":
            attempts.append(real(arguments[0], b"tw"))
            file._partial += 2  # what a short write reports
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    free = 0
    monkeypatch.setattr(os, "fstatvfs", lambda _: SimpleNamespace(f_blocks=9, f_bfree=free, f_frsize=1))
    with intercept_os_calls(write_half):
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"):
                file.append(memoryview(b"two\n"))
            assert path.read_bytes() == b"one\n"
    assert attempts == [2]
    free = 4
    file.append(memoryview(b"two\n"))
    assert (path.read_bytes(), file.end) == (b"one\ntwo\n", 8)


def test_on_a_file_system_that_reports_no_blocks_the_write_is_simply_retried(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = open_at_end(path)
    file._is_disk_full = True
    monkeypatch.setattr(os, "fstatvfs", lambda _: SimpleNamespace(f_blocks=0, f_bfree=0, f_frsize=1))
    file.append(memoryview(b"one\n"))
    assert path.read_bytes() == b"one\n"


def test_a_change_during_our_write_is_noticed(path: Path) -> None:
    file = open_at_end(path)
    assert not file.was_changed_during_write()
    append_foreign(path, b"stranger\n")
    file.append(memoryview(b"one\n"))
    assert file.was_changed_during_write()


def test_a_last_line_gets_a_line_feed_only_if_it_has_none(path: Path) -> None:
    append_foreign(path, b"one")
    assert ActiveFile(path).terminate_last_line() == 4
    assert ActiveFile(path).terminate_last_line() == 4
    assert path.read_bytes() == b"one\n"


def test_a_file_that_was_moved_or_removed_is_not_at_its_path(path: Path) -> None:
    file = open_at_end(path)
    assert file.is_at_path()
    path.rename(path.with_name("elsewhere"))
    assert not file.is_at_path()
    path.touch()
    assert not file.is_at_path()


def test_a_file_is_closed_if_the_body_fails(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space"), opening(tmp_path / "log") as file:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file.fd)
