"""Nothing of a file is read before it is known to be ours."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from nodelogd.service.files import own_files
from nodelogd.service.files.own_files import (
    ForeignFileError,
    is_own,
    make_way,
    make_way_for_rename,
    open_or_create_own,
    open_own,
    own_status,
    read_own,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def second_name(path: Path) -> None:
    path.touch(mode=0o600)
    path.with_name("other").hardlink_to(path)


def of_another_user(path: Path) -> None:
    path.touch(mode=0o600)
    os.chown(path, 1000, 1000)


def writable(path: Path) -> None:
    path.touch()
    path.chmod(0o620)


def endpoint(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


FOREIGN = [
    (link, "it is a symbolic link"),
    (os.mkfifo, "it is a FIFO"),
    (os.mkdir, "it is a directory"),
    (endpoint, "it is a socket"),
    (second_name, "it has 2 names"),
    (of_another_user, "it belongs to user 1000"),
    (writable, r"others may write to it \(mode 0620\)"),
]


@pytest.mark.parametrize(("make", "why"), FOREIGN)
def test_what_is_not_ours_is_neither_opened_nor_read_and_can_be_replaced(
    make: Callable[[Path], None], why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x"
    make(path)
    for call in (own_status, open_own, lambda each: read_own(each, 100)):
        with pytest.raises(ForeignFileError, match=why):
            call(path)
    assert not is_own(path)
    os.close(open_or_create_own(path))
    assert is_own(path)
    assert read_own(path, 100) == b""
    (message,) = caplog.messages
    assert message.startswith(f"{path} is not ours: ")


def test_our_own_file_is_opened_and_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert own_status(path) is None
    os.close(open_or_create_own(path))
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"abc")
    assert read_own(path, 3) == b"abc"
    with pytest.raises(ForeignFileError, match="it has 3 bytes, at most 2 are read"):
        read_own(path, 2)


def test_a_directory_that_is_not_empty_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for move in (make_way, make_way_for_rename):
        (path / "content").mkdir(parents=True)
        aside = move(path)
        assert aside is not None
        assert (aside / "content").is_dir()
        assert not path.exists()


def test_a_file_is_left_for_a_rename_to_replace(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to("/etc/passwd")
    assert make_way_for_rename(tmp_path / "x") is None
    assert (tmp_path / "x").is_symlink()


def test_a_file_server_that_gives_our_files_to_another_user_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    of_another_user(path)
    assert not is_own(path)
    monkeypatch.setattr(own_files, "_created_uid", lambda _: 1000)
    assert is_own(path)
