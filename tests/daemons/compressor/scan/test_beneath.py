"""A path is opened beneath a directory, and no link is followed on the way."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from nodelogd.compressor.scan.beneath import has_openat2, open_beneath

if TYPE_CHECKING:
    from pathlib import Path


def test_this_kernel_has_openat2() -> None:
    assert has_openat2()


def opened(directory: Path, path: Path) -> bytes:
    fd = open_beneath(os.fsencode(directory), os.fsencode(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)


def test_a_file_in_a_folder_is_opened(logs: Path) -> None:
    (logs / "pod").mkdir()
    (logs / "pod" / "a.log").write_bytes(b"line\n")
    assert opened(logs, logs / "pod" / "a.log") == b"line\n"


def test_the_directory_itself_may_be_a_link(logs: Path, tmp_path: Path) -> None:
    (logs / "a.log").write_bytes(b"line\n")
    (tmp_path / "link").symlink_to(logs)
    assert opened(tmp_path / "link", tmp_path / "link" / "a.log") == b"line\n"


@pytest.mark.parametrize("target", ["private", "/etc", "../outside", "."])
def test_a_link_on_the_way_is_refused(logs: Path, target: str) -> None:
    (logs / "private").mkdir()
    (logs / "pod").symlink_to(target)
    with pytest.raises(OSError) as caught:  # noqa: PT011 (its number is checked)
        opened(logs, logs / "pod" / "a.log")
    assert caught.value.errno == errno.ELOOP
    assert caught.value.filename == os.fsencode(logs / "pod" / "a.log")


def test_nothing_above_the_directory_is_opened(logs: Path) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 (its number is checked)
        opened(logs, logs / ".." / "a.log")
    assert caught.value.errno == errno.EXDEV
