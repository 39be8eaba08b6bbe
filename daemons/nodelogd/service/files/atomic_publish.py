"""The one way to publish a file: never visible half-written; a crash leaves the old file or the new one."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def publish_atomically(path: Path, *, mode: int = 0o644) -> Generator[BinaryIO]:
    """Yield a temporary file that durably replaces `path` when the block ends.

    If the block or a write fails, the old file stays and the temporary file is removed. A symbolic link at
    `path` is replaced, not followed. The file gets `mode`, whatever the umask is. An error from the last
    step, the sync of the directory, means: published, but a power failure may undo it.
    """
    temporary = temporary_path(path)
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w+b") as file:
            os.fchmod(fd, mode)
            yield file
            file.flush()
            os.fsync(fd)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def temporary_path(path: Path) -> Path:
    """Return a name beside `path` that nobody else uses."""
    # Processes in two containers that share a directory often have the same PID; hence the random part.
    return path.with_name(f".{path.name}.tmp-{os.getpid()}-{os.urandom(4).hex()}")


def sync_directory(path: Path) -> None:
    """Make the names in this directory durable: files created, renamed and removed in it."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
