"""Changing logs for the soak test of archives: what happens to them, and what an archive must contain."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING, Final, Self

from tests.daemons.compressor.snapshot_rule import Snapshot, expected_content

if TYPE_CHECKING:
    import random
    from pathlib import Path

MIB: Final = 1024 * 1024
NAMES: Final = (
    "app.log",
    "web.log",
    "-rf.log",
    "two\nlines.log",
    "caf\udce9.log",
    "x" * 196 + ".log",
    *(f"small-{number}.log" for number in range(6)),
)
BUSY: Final = "busy.log"
SPARSE: Final = "sparse.log"
ROTATE_SIZE: Final = 3 * MIB
"""A larger log is rotated."""
_LINES: Final = b"".join(b"line %d of a log that is written to all the time\n" % n for n in range(1000))
_CHUNK: Final = 499  # bytes per write; a multiple of neither a line nor a piece
_PAUSE: Final = 0.05  # seconds
SIZES: Final = (1, 60, 5_000, 140_000, 1_100_000)


class ChangingLogs:
    """Logs in a folder; `change_one` changes one of them at random."""

    def __init__(self, folder: Path, chance: random.Random, sparse: int) -> None:
        """Create a few logs; one of them is sparse: `sparse` bytes, nearly all of them a hole."""
        self.folder = folder
        self._chance = chance
        self._number = 0
        self._previous: dict[int, Snapshot] = {}  # by inode, of the last cycle
        self._archived: dict[int, Snapshot] = {}  # of this one, as far as it is checked
        self._operations = (
            *(self._append,) * 6,
            self._append_unaligned,
            self._rotate,
            self._copytruncate,
            self._regrow,
            self._truncate,
            self._delete,
            self._recreate,
        )
        for name in NAMES[::2]:
            self._append(name)
        with (folder / SPARSE).open("wb") as file:
            file.write(self._lines(5000))
            file.seek(sparse)
            file.write(b"\n" + self._lines(5000))

    def change_one(self) -> str:
        """Change a log at random; return how."""
        name, operation = self._chance.choice(NAMES), self._chance.choice(self._operations)
        if not self._path(name).exists():
            operation = self._recreate
        operation(name)
        if self._path(name).exists() and self._path(name).stat().st_size > ROTATE_SIZE:
            self._rotate(name)
        return f"{operation.__name__.strip('_')} {name!a}"

    def names(self) -> set[str]:
        """Return the names of the logs, without the busy and the sparse one."""
        return {name for name in os.listdir(self.folder) if name.endswith(".log")} - {BUSY, SPARSE}  # noqa: PTH208

    def check(self, name: str, content: bytes, *, was_interrupted: bool) -> str:
        """Return what is wrong with the archived content of a log, and remember it; empty if nothing is."""
        path = self._path(name)
        data, inode = path.read_bytes(), path.stat().st_ino
        self._archived[inode] = Snapshot(content, len(data))
        expected = expected_content(data, self._previous.get(inode))
        whole = data.rfind(b"\n") + 1
        # A cycle that was interrupted may have been the one for which an unfinished line has waited.
        if content == expected or (was_interrupted and len(content) >= whole and data.startswith(content)):
            return ""
        return f"{name!a} has {len(content)} bytes and should have {len(expected)}, or its bytes differ"

    def note_cycle(self) -> None:
        """Take what was checked for what the next cycle starts from."""
        self._previous, self._archived = self._archived, {}

    def _lines(self, size: int) -> bytes:
        self._number += 1
        line = f"{self._number:08} {self._chance.getrandbits(64):016x} a line of a changing log\n".encode()
        return line[-max(size, 1) :] if size < len(line) else line * (size // len(line))

    def _path(self, name: str) -> Path:
        return self.folder / name

    def _write(self, name: str, mode: str, data: bytes) -> None:
        with self._path(name).open(mode) as file:
            file.write(data)

    def _append(self, name: str) -> None:
        self._write(name, "ab", self._lines(self._chance.choice(SIZES)))

    def _append_unaligned(self, name: str) -> None:
        self._write(name, "ab", self._lines(self._chance.choice(SIZES))[:-1] or b"x")

    def _rotate(self, name: str) -> None:
        old = f"{name.removesuffix('.log')[:190]}.1.log"
        self._path(name).replace(self._path(old))
        self._append(name)

    def _copytruncate(self, name: str) -> None:
        old = f"{name.removesuffix('.log')[:190]}.1.log"
        shutil.copyfile(self._path(name), self._path(old))
        self._write(name, "wb", b"")

    def _regrow(self, name: str) -> None:
        size = self._path(name).stat().st_size
        data = self._lines(max(size, 1)).rjust(size, b"-")
        self._write(name, "wb", data[-size:] if size else b"")

    def _truncate(self, name: str) -> None:
        os.truncate(self._path(name), int(self._path(name).stat().st_size * self._chance.random()))

    def _delete(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _recreate(self, name: str) -> None:
        self._delete(name)
        self._append(name)


class SteadyWriter:
    """Appends to a log continuously, in chunks that do not end at line ends."""

    def __init__(self, path: Path) -> None:
        """Create the log."""
        self._path = path
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        path.touch()

    def __enter__(self) -> Self:
        """Start writing."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop writing."""
        self._ended.set()
        self._thread.join()

    @staticmethod
    def fault(content: bytes, min_size: int) -> str:
        """Return the fault in the archived content of a log that had `min_size` bytes before the cycle."""
        if content and not content.endswith(b"\n"):
            return "it ends within a line"
        if content != (_LINES * (len(content) // len(_LINES) + 1))[: len(content)]:
            return "it contains bytes that were never written"
        return (
            ""
            if len(content) > min_size - _CHUNK
            else f"it has {len(content)} bytes and had {min_size} before"
        )

    def write(self) -> None:
        """Append once: a line that did not grow from one cycle to the next would be archived unfinished."""
        with self._lock, self._path.open("ab", buffering=0) as file:
            start = file.tell() % len(_LINES)
            file.write((_LINES + _LINES)[start : start + _CHUNK])

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE):
            self.write()
