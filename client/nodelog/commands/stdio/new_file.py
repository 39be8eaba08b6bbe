"""A new file that is complete and on the disk, or not there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class FileError(Exception):
    """The file cannot be written; the message says why."""


def write_new_file(path: Path, parts: Iterable[bytes]) -> None:
    """Create a file, private to its owner, with these parts, and sync it and its folder. Raises FileError.

    An existing file is left alone.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:  # noqa: PTH123 (a file descriptor)
                file.writelines(parts)
                file.flush()
                os.fsync(fd)
            _sync_folder(path.parent)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileError(error.strerror or str(error)) from None


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
