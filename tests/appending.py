"""A program that logs: numbered lines, appended in chunks that end in the middle of a line."""

from __future__ import annotations

import threading
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
        self._lines = b"".join(
            b"%d line %d of a log that grows\n" % (seed, number) for number in range(200_000)
        )
        self._at = 0
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
        end = self._lines.index(b"\n", self._at) + 1
        self._file.write(self._lines[self._at : end])
        self._file.close()

    def append(self) -> None:
        """Append a chunk now."""
        with self._lock:
            self._file.write(self._lines[self._at : self._at + CHUNK])
            self._at += CHUNK

    def _run(self) -> None:
        while not self._ended.wait(PAUSE) and self._at < len(self._lines) - 2 * CHUNK:
            self.append()
