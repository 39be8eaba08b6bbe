"""Logs that live, for the soak of archives: what happens to them, and what an archive has to hold of them."""

from __future__ import annotations

import os
import shutil
import threading
from itertools import count
from typing import TYPE_CHECKING, Final, Self

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
LARGEST: Final = 3 * MIB
"""Bytes; a log of that size is rotated."""
_LINES: Final = b"".join(b"line %d of a log that is written to all the time\n" % n for n in range(1000))
_CHUNK: Final = 499  # bytes at a time; no line and no piece ends there
_PAUSE: Final = 0.05  # seconds
SIZES: Final = (1, 60, 5_000, 140_000, 1_100_000)


class Life:
    """Logs in a folder; `happen` does one thing to one of them."""

    def __init__(self, folder: Path, chance: random.Random, sparse: int) -> None:
        """Begin with a few logs; `sparse` are the bytes of one that is nearly all hole."""
        self.folder = folder
        self._chance = chance
        self._number = 0
        self._changes = count()
        self._changed: dict[int, int] = {}  # the last change of each inode
        self._seen: set[tuple[int, int]] = set()
        self._happenings = (
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

    def happen(self) -> str:
        """Do something to a log; say what."""
        name, what = self._chance.choice(NAMES), self._chance.choice(self._happenings)
        if not self._path(name).exists():
            what = self._recreate
        what(name)
        if self._path(name).exists() and self._path(name).stat().st_size > LARGEST:
            self._rotate(name)
        return f"{what.__name__.strip('_')} {name!a}"

    def names(self) -> set[str]:
        """List the logs, but for those that are special."""
        return {name for name in os.listdir(self.folder) if name.endswith(".log")} - {BUSY, SPARSE}  # noqa: PTH208

    def expected(self, name: str, *, is_unsure: bool) -> tuple[bytes, ...]:
        """Give what a cycle that has just ended has of a log, one of two if the one before was cut short."""
        data = self._path(name).read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole == data or len(data) - len(whole) > MIB:
            return (data,)
        if is_unsure:
            return data, whole
        # A line without an end is archived once it has not grown for a cycle, whatever it is called then.
        return (data,) if self._state(name) in self._seen else (whole,)

    def see(self) -> None:
        """Remember what a cycle that has ended has seen."""
        self._seen = {self._state(name) for name in self.names()}

    def _state(self, name: str) -> tuple[int, int]:
        inode = self._path(name).stat().st_ino
        return inode, self._changed[inode]

    def _lines(self, size: int) -> bytes:
        self._number += 1
        line = f"{self._number:08} {self._chance.getrandbits(64):016x} a line of a log that lives\n".encode()
        return line[-max(size, 1) :] if size < len(line) else line * (size // len(line))

    def _path(self, name: str) -> Path:
        return self.folder / name

    def _change(self, name: str) -> None:
        self._changed[self._path(name).stat().st_ino] = next(self._changes)

    def _write(self, name: str, mode: str, data: bytes) -> None:
        with self._path(name).open(mode) as file:
            file.write(data)
        self._change(name)

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
        self._change(old)
        self._write(name, "wb", b"")

    def _regrow(self, name: str) -> None:
        size = self._path(name).stat().st_size
        data = self._lines(max(size, 1)).rjust(size, b"-")
        self._write(name, "wb", data[-size:] if size else b"")

    def _truncate(self, name: str) -> None:
        os.truncate(self._path(name), int(self._path(name).stat().st_size * self._chance.random()))
        self._change(name)

    def _delete(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _recreate(self, name: str) -> None:
        self._delete(name)
        self._append(name)


class Writer:
    """Appends to a log all the time, in chunks that know nothing of lines."""

    def __init__(self, path: Path) -> None:
        """Take the log."""
        self._path = path
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        path.touch()

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    @staticmethod
    def fault(content: bytes, least: int) -> str:
        """Say what is wrong with what an archive has of the log, if it had `least` bytes before the cycle."""
        if content and not content.endswith(b"\n"):
            return "it ends within a line"
        if content != (_LINES * (len(content) // len(_LINES) + 1))[: len(content)]:
            return "it has what was never written"
        return "" if len(content) > least - _CHUNK else f"it has {len(content)} bytes and had {least} before"

    def write(self) -> None:
        """Append once: a line that did not go on from one cycle to the next would be taken as it is."""
        with self._lock, self._path.open("ab", buffering=0) as file:
            start = file.tell() % len(_LINES)
            file.write((_LINES + _LINES)[start : start + _CHUNK])

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE):
            self.write()
