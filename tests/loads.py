"""Clients that send numbered lines, and the proof that each is in the log once, whole and in its order."""

from __future__ import annotations

import gzip
import os
import re
import socket
import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.running import wait_for

from nodelogd.collector.store.file_names import FileNames

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path
    from typing import Self

    from tests.running import Logd

LENGTH = 121  # bytes of a line; not a power of two, or a disk that is full at a page would never tear one
LINE = re.compile(rb"([a-z]+) (\d{10}) [0-9a-z]*")
AT_ONCE = 64  # lines


def line(name: str, number: int, noise: str = "") -> bytes:
    """Give a line of LENGTH bytes that says whose it is and which."""
    return f"{name} {number:010} {noise}".encode()[: LENGTH - 1].ljust(LENGTH - 1, b"x") + b"\n"


class Load:
    """A client in a thread of its own: sends lines until told to stop, or up to so many."""

    def __init__(
        self, logd: Logd, name: str, *, lines: int = 10**9, pause: float = 0.0, noisy: bool = False
    ) -> None:
        """Prepare; with `pause` seconds from one block of lines to the next.

        Noisy lines are compressed to half their size, others to next to nothing.
        """
        self.name = name
        self.sent = 0  # lines handed to the kernel
        self._logd = logd
        self._lines = lines
        self._pause = pause
        self._noisy = noisy
        self._ended = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, however it went."""
        self._ended.set()

    def finish(self, timeout: float = 60.0) -> None:
        """Stop, and return once logd has read all that was sent."""
        self._ended.set()
        self.join(timeout)

    def join(self, timeout: float = 60.0) -> None:
        """Return once logd has read all that was to be sent."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"{self.name} is not through, after {self.sent} lines"
        assert self._failure is None, f"{self.name}: {self._failure}, after {self.sent} lines"

    def _line(self, number: int) -> bytes:
        return line(self.name, number, os.urandom(LENGTH // 2).hex() if self._noisy else "")

    def _run(self) -> None:
        try:
            with self._logd.connect() as client:
                client.settimeout(None)
                while self.sent < self._lines and not self._ended.is_set():
                    upto = min(self._lines, self.sent + AT_ONCE)
                    client.sendall(b"".join(map(self._line, range(self.sent, upto))))
                    self.sent = upto
                    if self._pause:
                        self._ended.wait(self._pause)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""
        except OSError as error:
            self._failure = error


def pieces(log: Path) -> Generator[bytes]:
    """Give the content of all files of a log, in their order; not what a recovery cut off."""
    for path in sealed_files(log):
        data = path.read_bytes()
        yield gzip.decompress(data) if path.suffix == ".gz" else data
    yield log.read_bytes()


def sealed_files(log: Path) -> list[Path]:
    """List the sealed files of a log in their order, each once: its compressed form may be there already."""
    by_number: dict[int, Path] = {}
    for sealed in FileNames.resolve(log).sealed_files():
        if ".torn-" not in sealed.path.name:
            by_number.setdefault(sealed.number, sealed.path)  # the plain one comes first
    return list(by_number.values())


def all_written(logd: Logd) -> None:
    """Return once all that logd has received is in the log."""
    wait_for(lambda: logd.get_json("/status")[1]["held_bytes"] == 0, "all that was received is written")


def numbers(log: Path, *, foreign: Iterable[bytes] = ()) -> dict[str, list[int]]:
    """Give the numbers of the lines by who sent them, in the order of the log.

    Fails if a line is not whole, unless it is among `foreign`, the lines that others wrote.
    """
    found: defaultdict[str, list[int]] = defaultdict(list)
    others = set(foreign)
    for piece in pieces(log):
        assert piece.endswith(b"\n") or not piece, f"a file ends in {piece[-LENGTH:]!r}"
        for each in piece.splitlines():
            match = LINE.fullmatch(each)
            if match and len(each) == LENGTH - 1:
                found[match[1].decode()].append(int(match[2]))
            else:
                assert each in others, f"torn: {each[: 2 * LENGTH]!r}"
    return found


def assert_whole(log: Path, sent: dict[str, int], *, foreign: Iterable[bytes] = ()) -> None:
    """Fail unless each of the lines that were sent is in the log once, whole and in its order."""
    found = numbers(log, foreign=foreign)
    assert found.keys() == sent.keys()
    for name, count in sent.items():
        assert len(found[name]) == count, f"{name} sent {count} lines, {len(found[name])} are in the log"
        assert found[name] == list(range(count)), f"lines of {name} are lost, doubled or out of order"
