"""Compress one sealed file: `python -m nodelogd.collector.sealed.compression FILE`.

A process of its own, so that it can run at low priority. `FILE` becomes `FILE.gz`: written beside it, synced,
renamed, and only then the source is removed, so at any time one of the two is complete. If both exist at the
start, an earlier run was interrupted: the `.gz` is verified and one of them removed. The size is that of
`gzip -6`, for a third of its CPU time.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nodelogd.collector.store.permissions import DEFAULT_MODE, Permissions
from nodelogd.service.files.atomic_publish import publish_atomically
from nodelogd.service.files.deflate import SMALL_LEVEL, GzipFile, crc32, small

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import BinaryIO

CHUNK = 1024 * 1024  # bytes
NICE = 19
MAX_GZIP_TIME = (
    2**32 - 1
)  # seconds since the epoch; the limit of a gzip header, which a file's time may exceed


class StoppedError(Exception):
    """The compression was stopped; the source is unchanged."""


def compress(source: Path, *, is_stopped: Callable[[], object] = lambda: False) -> None:
    """Replace a file by its compressed form. Raises OSError or StoppedError; the source is then unchanged."""
    target = source.with_name(f"{source.name}.gz")
    status = source.stat()
    time = min(max(0, int(status.st_mtime)), MAX_GZIP_TIME)
    if not (target.exists() and _is_copy(source, target, is_stopped)):
        with (
            source.open("rb") as plain,
            _publish_alike(target, plain) as file,
            GzipFile(source.name, "wb", SMALL_LEVEL, file, mtime=time) as packed,
        ):
            for chunk in _chunks(plain, is_stopped):
                packed.write(chunk)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    source.unlink(missing_ok=True)


@contextmanager
def _publish_alike(target: Path, source: BinaryIO) -> Generator[BinaryIO]:
    """Publish a file with the permissions of another one."""
    with publish_atomically(target, mode=DEFAULT_MODE) as file:
        Permissions.of(source.fileno()).apply(file.fileno())
        yield file


def _is_copy(source: Path, target: Path, is_stopped: Callable[[], object]) -> bool:
    try:
        with source.open("rb") as plain, GzipFile(target) as packed:
            source_crc, target_crc = 0, 0
            for chunk in _chunks(plain, is_stopped):
                source_crc = crc32(chunk, source_crc)
                target_crc = crc32(packed.read(len(chunk)), target_crc)
                if source_crc != target_crc:
                    return False
            return not packed.read(1)
    except (OSError, EOFError, small.error):  # type: ignore[misc]  # its types make it a value
        return False


def _chunks(file: BinaryIO, is_stopped: Callable[[], object]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        if is_stopped():
            raise StoppedError
        yield chunk


def main() -> int:
    """Compress the file named on the command line."""
    signals: list[int] = []
    # Not an exception from the handler: it could interrupt any two steps and leave a temporary file.
    signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    os.nice(NICE)
    try:
        compress(Path(sys.argv[1]), is_stopped=lambda: signals)
    except FileNotFoundError:
        return 0  # retention was faster
    except StoppedError:
        return 128 + signal.SIGTERM
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
