"""Small file systems for tests, to fill and to freeze: `small_disk`, `freezable` and `sharing_disk`."""

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
SMALL = 24 * MIB  # room for two journals and the lines that a test sends
XFS_SIZE = 320 * MIB  # mkfs.xfs needs at least 300 MiB


class SmallDisk:
    """A file system that a test can fill."""

    def __init__(self, path: Path) -> None:
        """Use the file system mounted at `path`."""
        self.path = path
        self._filler = path / "filler"

    def fill(self, but: int = 0) -> None:
        """Fill all space but this many bytes with a file; other processes may write meanwhile."""
        with self._filler.open("ab") as file:
            while True:
                status = os.statvfs(self.path)
                size = os.fstat(file.fileno()).st_size + status.f_bavail * status.f_frsize - but
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:  # another process took some of it first
                        raise
                else:
                    return

    def clear(self) -> None:
        """Remove that file."""
        self._filler.unlink(missing_ok=True)


class FreezableDisk:
    """A file system that a test can freeze."""

    def __init__(self, path: Path) -> None:
        """Use the file system mounted at `path`."""
        self.path = path

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Freeze it until the block ends: a process that writes to it blocks, and cannot even be killed."""
        subprocess.run(["fsfreeze", "--freeze", self.path], check=True)
        try:
            yield
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", self.path], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[SmallDisk]:
    """Mount a small file system in memory. Request it before `logd`, which must end first."""
    with disk_in_memory(tmp_path / "small", SMALL) as disk:
        yield disk


@pytest.fixture
def freezable(tmp_path: Path) -> Generator[FreezableDisk]:
    """Mount an ext4 from an image file. Request it before `logd`, which must end first."""
    image, path = tmp_path / "image", tmp_path / "freezable"
    with image.open("wb") as file:
        file.truncate(4 * SMALL)
    subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
    with _mounted(path, "-o", "loop", str(image)):
        yield FreezableDisk(path)


@pytest.fixture
def sharing_disk(tmp_path: Path) -> Generator[Path]:
    """Mount an XFS from an image file: it can share blocks between copies (reflink)."""
    image, path = tmp_path / "image", tmp_path / "sharing"
    with image.open("wb") as file:
        file.truncate(XFS_SIZE)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True, capture_output=True)
    with _mounted(path, "-o", "loop", str(image)):
        yield path


@contextmanager
def disk_in_memory(path: Path, size: int, *options: str) -> Generator[SmallDisk]:
    """Mount a file system of `size` bytes in memory until the block ends."""
    with _mounted(path, "-t", "tmpfs", "-o", ",".join((f"size={size}", *options)), "tmpfs"):
        yield SmallDisk(path)


@contextmanager
def mounted_over(source: Path, target: Path) -> Generator[None]:
    """Mount one existing file on another until the block ends, as `docker -v` does."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file needs root")
    subprocess.run(["mount", "--bind", source, target], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", target], check=True)


@contextmanager
def _mounted(path: Path, *arguments: str) -> Generator[None]:
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    path.mkdir()
    subprocess.run(["mount", *arguments, path], check=True)
    try:
        yield
    finally:
        # Lazily: a file that a failed test left open must not fail the next tests.
        subprocess.run(["umount", "--lazy", path], check=True)
