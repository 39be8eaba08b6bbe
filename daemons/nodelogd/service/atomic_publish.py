"""The one way to publish a file: nobody sees it half-written, and a crash leaves the old one or the new."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def publishing(path: Path, *, mode: int = 0o644) -> Generator[BinaryIO]:
    """Give a file to write, which takes the place of `path` durably when the block ends.

    When the block or the disk fails, the old file stands and nothing else is left. A symbolic link at `path`
    is replaced, not followed. `mode` holds whatever the umask is. An error from the last step, the sync of
    the directory, means: published, but a power failure may undo it.
    """
    # Two containers that share a directory have the same PID more often than not; hence the random part.
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}-{os.urandom(4).hex()}")
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


def sync_directory(path: Path) -> None:
    """Make names durable: what was created, renamed and removed in this directory."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
