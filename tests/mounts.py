"""Small file systems of a test's own, to fill and to freeze: the fixtures `small_disk` and `freezable`."""

from __future__ import annotations

import errno
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

MIB = 1024 * 1024
SMALL = 24 * MIB  # bytes; room for two journals and what a test sends


SHARING = 320 * MIB  # bytes; the least that mkfs.xfs makes is 300


class SmallDisk:
    """A file system that is full when a test says so."""

    def __init__(self, path: Path) -> None:
        """Take the place where it is mounted."""
        self.path = path
        self._filler = path / "filler"

    def fill(self, but: int = 0) -> None:
        """Take all space but so many bytes, with a file of somebody else, while others may write too."""
        with self._filler.open("ab") as file:
            while True:
                status = os.statvfs(self.path)
                size = os.fstat(file.fileno()).st_size + status.f_bavail * status.f_frsize - but
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:  # others have taken some of it first
                        raise
                else:
                    return

    def clear(self) -> None:
        """Have somebody else remove that file."""
        self._filler.unlink(missing_ok=True)


class Freezable:
    """A file system that freezes when a test says so."""

    def __init__(self, path: Path) -> None:
        """Take the place where it is mounted."""
        self.path = path

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Freeze it for as long as the block lasts: whoever writes waits, and cannot even be killed."""
        subprocess.run(["fsfreeze", "--freeze", self.path], check=True)
        try:
            yield
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", self.path], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[SmallDisk]:
    """Mount a small file system in memory. Use it before `logd`, which has to end first."""
    with disk_in_memory(tmp_path / "small", SMALL) as disk:
        yield disk


@pytest.fixture
def freezable(tmp_path: Path) -> Generator[Freezable]:
    """Mount an ext4 that lives in a file. Use it before `logd`, which has to end first."""
    image, path = tmp_path / "image", tmp_path / "freezable"
    with image.open("wb") as file:
        file.truncate(4 * SMALL)
    subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
    with _mounted(path, "-o", "loop", str(image)):
        yield Freezable(path)


@pytest.fixture
def sharing_disk(tmp_path: Path) -> Generator[Path]:
    """Mount an XFS that lives in a file: it copies by sharing."""
    image, path = tmp_path / "image", tmp_path / "sharing"
    with image.open("wb") as file:
        file.truncate(SHARING)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True, capture_output=True)
    with _mounted(path, "-o", "loop", str(image)):
        yield path


@contextmanager
def disk_in_memory(path: Path, size: int, *options: str) -> Generator[SmallDisk]:
    """Mount a file system of so many bytes in memory, as long as the block lasts."""
    with _mounted(path, "-t", "tmpfs", "-o", ",".join((f"size={size}", *options)), "tmpfs"):
        yield SmallDisk(path)


@contextmanager
def _mounted(path: Path, *arguments: str) -> Generator[None]:
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    path.mkdir()
    subprocess.run(["mount", *arguments, path], check=True)
    try:
        yield
    finally:
        # Lazily: what a failed test left open is not to fail the next ones.
        subprocess.run(["umount", "--lazy", path], check=True)
