"""A program that logs: numbered lines, appended in chunks that end in the middle of a line."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

CHUNK = 4096  # bytes
PAUSE = 0.002  # seconds from one chunk to the next


class Appending:
    """Appends to a log as long as the block lasts, by itself and when told."""

    def __init__(self, path: Path, seed: int = 0) -> None:
        """Prepare; `seed` tells the lines of several logs apart."""
        self._file = path.open("ab", buffering=0)
        self._seed = seed
        self._numbers = count()
        self._next = b""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, with a whole line."""
        self._ended.set()
        self._thread.join()
        self._file.write(self._next)
        self._file.close()

    def append(self) -> None:
        """Append a chunk now."""
        with self._lock:
            while len(self._next) <= CHUNK:
                self._next += b"%d line %d of a log that grows\n" % (self._seed, next(self._numbers))
            self._file.write(self._next[:CHUNK])
            self._next = self._next[CHUNK:]

    def _run(self) -> None:
        while not self._ended.wait(PAUSE):
            self.append()
