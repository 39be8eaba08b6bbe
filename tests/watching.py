"""Threads that look at a logd all the time while a test does something to it."""

from __future__ import annotations

import os
import threading
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    from tests.running import Daemon, Logd

PROBE = 1.0  # seconds; what a kubelet gives an answer by default
PAUSE = 0.002  # seconds from one look to the next


class Watch:
    """Looks again and again until the block ends, which fails if a look found a fault."""

    def __init__(self) -> None:
        """Prepare."""
        self.faults: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def look(self) -> str:
        """Give the fault that is there, if there is one."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop, and fail if there was a fault; one that ended the block goes first."""
        self._ended.set()
        self._thread.join()
        if kind is None:
            assert self.faults == []

    def _run(self) -> None:
        while not self.faults:
            if fault := self.look():
                self.faults.append(fault)
            if self._ended.wait(PAUSE):
                return


class Lives(Watch):
    """/healthz says 200, within the time a probe has."""

    def __init__(self, daemon: Daemon) -> None:
        """Watch this one."""
        super().__init__()
        self._port = daemon.http_port

    def look(self) -> str:
        """Probe once, as a kubelet does."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PROBE)
        try:
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            return "" if answer.status == 200 else f"/healthz says {answer.status}: {answer.read().decode()}"
        except (OSError, HTTPException) as error:
            return f"/healthz does not answer: {error!r}"
        finally:
            connection.close()


class EndsInALine(Watch):
    """Whoever reads the log finds no half line at its end."""

    def __init__(self, logd: Logd) -> None:
        """Watch the file that is at the place of the log now."""
        super().__init__()
        self._file = logd.log.open("rb", buffering=0)

    def look(self) -> str:
        """Read the last byte."""
        size = os.fstat(self._file.fileno()).st_size
        last = os.pread(self._file.fileno(), 1, size - 1) if size else b"\n"
        return "" if last in {b"\n", b""} else f"at {size} the log ends in {last!r}"

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop."""
        try:
            super().__exit__(kind)
        finally:
            self._file.close()
