"""Clients that send numbered lines, and the check that the log holds each once, whole and in order."""

from __future__ import annotations

import gzip
import os
import re
import socket
import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.waiting import wait_for

from nodelogd.collector.store.file_names import FileNames

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path
    from typing import Self

    from tests.processes.logd import Logd

LENGTH = 121  # bytes of a line; not a power of two, or a disk that fills up at a page would never tear one
LINE = re.compile(rb"([a-z]+) (\d{10}) [0-9a-z]*")
BLOCK_LINES = 64


def line(name: str, number: int, noise: str = "") -> bytes:
    """Return a line of LENGTH bytes with the sender's name and its number."""
    return f"{name} {number:010} {noise}".encode()[: LENGTH - 1].ljust(LENGTH - 1, b"x") + b"\n"


class LineSender:
    """A client in a thread of its own: sends `lines` lines, or until it is stopped."""

    def __init__(
        self, logd: Logd, name: str, *, lines: int = 10**9, pause: float = 0.0, noisy: bool = False
    ) -> None:
        """Prepare to send; `pause` is the seconds between blocks of lines.

        Noisy lines compress to half their size, others to almost nothing.
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
        """Start sending."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sending, without waiting."""
        self._ended.set()

    def finish(self, timeout: float = 60.0) -> None:
        """Stop, and wait until logd has read everything sent."""
        self._ended.set()
        self.join(timeout)

    def join(self, timeout: float = 60.0) -> None:
        """Wait until all lines are sent and logd has read them."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"{self.name} is still sending, after {self.sent} lines"
        assert self._failure is None, f"{self.name}: {self._failure}, after {self.sent} lines"

    def _line(self, number: int) -> bytes:
        return line(self.name, number, os.urandom(LENGTH // 2).hex() if self._noisy else "")

    def _run(self) -> None:
        try:
            with self._logd.connect() as client:
                client.settimeout(None)
                while self.sent < self._lines and not self._ended.is_set():
                    end = min(self._lines, self.sent + BLOCK_LINES)
                    client.sendall(b"".join(map(self._line, range(self.sent, end))))
                    self.sent = end
                    if self._pause:
                        self._ended.wait(self._pause)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""
        except OSError as error:
            self._failure = error


def log_pieces(log: Path) -> Generator[bytes]:
    """Yield the content of all files of a log in order, without the torn ends that a recovery cut off."""
    for path in sealed_files(log):
        data = path.read_bytes()
        yield gzip.decompress(data) if path.suffix == ".gz" else data
    yield log.read_bytes()


def sealed_files(log: Path) -> list[Path]:
    """Return the sealed files of a log in order, each once: its compressed copy may already exist too."""
    by_number: dict[int, Path] = {}
    for sealed in FileNames.resolve(log).sealed_files():
        if ".torn-" not in sealed.path.name:
            by_number.setdefault(sealed.number, sealed.path)  # the uncompressed file comes first
    return list(by_number.values())


def wait_until_written(logd: Logd) -> None:
    """Wait until everything that logd has received is in the log."""
    wait_for(lambda: logd.get_json("/status")[1]["held_bytes"] == 0, "everything received is written")


def line_numbers(log: Path, *, foreign: Iterable[bytes] = ()) -> dict[str, list[int]]:
    """Return the numbers of the lines in the log, in its order, by sender.

    Fail if a line is not whole, unless it is among `foreign`, the lines that others wrote.
    """
    found: defaultdict[str, list[int]] = defaultdict(list)
    others = set(foreign)
    for piece in log_pieces(log):
        assert piece.endswith(b"\n") or not piece, f"a file ends in {piece[-LENGTH:]!r}"
        for text in piece.splitlines():
            match = LINE.fullmatch(text)
            if match and len(text) == LENGTH - 1:
                found[match[1].decode()].append(int(match[2]))
            else:
                assert text in others, f"torn: {text[: 2 * LENGTH]!r}"
    return found


def assert_each_line_once(log: Path, sent: dict[str, int], *, foreign: Iterable[bytes] = ()) -> None:
    """Fail unless each line sent is in the log once, whole and in order."""
    found = line_numbers(log, foreign=foreign)
    assert found.keys() == sent.keys()
    for name, count in sent.items():
        assert len(found[name]) == count, f"{name} sent {count} lines, {len(found[name])} are in the log"
        assert found[name] == list(range(count)), f"lines of {name} are lost, duplicated or out of order"
