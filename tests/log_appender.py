"""A program that logs: it appends numbered lines in chunks that end in the middle of a line."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

CHUNK = 4096  # bytes
PAUSE = 0.002  # seconds between chunks


class LogAppender:
    """Appends to a log until the block ends: steadily from a thread, and on every call of `append`."""

    def __init__(self, path: Path, seed: int = 0) -> None:
        """Open the log; `seed` distinguishes the lines of several logs."""
        self._file = path.open("ab", buffering=0)
        self._seed = seed
        self._numbers = count()
        self._next = b""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Start appending."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop after a whole line."""
        self._ended.set()
        self._thread.join()
        self._file.write(self._next)
        self._file.close()

    def append(self) -> None:
        """Append one chunk."""
        with self._lock:
            while len(self._next) <= CHUNK:
                self._next += b"%d line %d of a log that grows\n" % (self._seed, next(self._numbers))
            self._file.write(self._next[:CHUNK])
            self._next = self._next[CHUNK:]

    def _run(self) -> None:
        while not self._ended.wait(PAUSE):
            self.append()
