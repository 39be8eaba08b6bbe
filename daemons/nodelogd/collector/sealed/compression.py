"""Compress one sealed file: `python -m nodelogd.collector.sealed.compression FILE`.

A process of its own, so that it can run at low priority. `FILE` becomes `FILE.gz`: made beside it, synced,
renamed, and only then the source goes; whenever this ends, one of the two is whole. Where both are there
already, an earlier run ended in between: the `.gz` is checked and one of them removed. The size is that of
`gzip -6`, for a third of its CPU.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nodelogd.service.atomic_publish import publish_atomically
from nodelogd.service.deflate import SMALL_LEVEL, GzipFile, crc32, small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

CHUNK = 1024 * 1024  # bytes
NICE = 19
LAST = 2**32 - 1  # what a gzip header takes as a time, seconds since the epoch; clocks show others, too


class StoppedError(Exception):
    """Somebody asked us to end; the source is as it was."""


def compress(source: Path, *, stopped: Callable[[], object] = lambda: False) -> None:
    """Replace a file by its compressed form. Raises OSError or StoppedError; the source is then as it was."""
    target = source.with_name(f"{source.name}.gz")
    status = source.stat()
    time = min(max(0, int(status.st_mtime)), LAST)
    if not (target.exists() and _is_copy(source, target, stopped)):
        with (
            source.open("rb") as plain,
            publish_atomically(target, mode=0o640) as file,
            GzipFile(source.name, "wb", SMALL_LEVEL, file, mtime=time) as packed,
        ):
            for piece in _pieces(plain, stopped):
                packed.write(piece)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    source.unlink(missing_ok=True)


def _is_copy(source: Path, target: Path, stopped: Callable[[], object]) -> bool:
    try:
        with source.open("rb") as plain, GzipFile(target) as packed:
            ours, theirs = 0, 0
            for piece in _pieces(plain, stopped):
                ours, theirs = crc32(piece, ours), crc32(packed.read(len(piece)), theirs)
                if ours != theirs:
                    return False
            return not packed.read(1)
    except (OSError, EOFError, small.error):  # type: ignore[misc]  # its types make it a value
        return False


def _pieces(file: BinaryIO, stopped: Callable[[], object]) -> Iterator[bytes]:
    while piece := file.read(CHUNK):
        if stopped():
            raise StoppedError
        yield piece


def main() -> int:
    """Compress the file named on the command line."""
    asked: list[int] = []
    # Not an exception from the handler: it could come between any two steps, and leave a half-made file.
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    os.nice(NICE)
    try:
        compress(Path(sys.argv[1]), stopped=lambda: asked)
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
