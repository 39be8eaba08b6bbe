"""Threads that check a daemon continuously while a test does something to it."""

from __future__ import annotations

import os
import threading
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    from tests.processes.daemon import Daemon
    from tests.processes.logd import Logd

PROBE = 1.0  # seconds; the kubelet's default timeout
PAUSE = 0.002  # seconds between checks


class Monitor:
    """Checks repeatedly until the block ends; the block fails if a check found a fault."""

    def __init__(self) -> None:
        """Prepare the thread."""
        self.faults: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def check(self) -> str:
        """Return the fault found, or an empty string."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Start checking."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop, and fail if a fault was found; an exception from the block takes precedence."""
        self._ended.set()
        self._thread.join()
        if kind is None:
            assert self.faults == []

    def _run(self) -> None:
        while not self.faults:
            if fault := self.check():
                self.faults.append(fault)
            if self._ended.wait(PAUSE):
                return


class LivenessMonitor(Monitor):
    """Checks that /healthz answers 200 within a probe's timeout."""

    def __init__(self, daemon: Daemon) -> None:
        """Monitor this daemon."""
        super().__init__()
        self._port = daemon.http_port

    def check(self) -> str:
        """Probe once, as a kubelet does."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PROBE)
        try:
            connection.request("GET", "/healthz")
            response = connection.getresponse()
            return "" if response.status == 200 else f"/healthz: {response.status} {response.read().decode()}"
        except (OSError, HTTPException) as error:
            return f"/healthz does not answer: {error!r}"
        finally:
            connection.close()


class LineEndMonitor(Monitor):
    """Checks that the log always ends with a whole line."""

    def __init__(self, logd: Logd) -> None:
        """Monitor the file that is at the log's path now."""
        super().__init__()
        self._file = logd.log.open("rb", buffering=0)

    def check(self) -> str:
        """Check that the last byte is a line feed."""
        size = os.fstat(self._file.fileno()).st_size
        last = os.pread(self._file.fileno(), 1, size - 1) if size else b"\n"
        return "" if last in {b"\n", b""} else f"at {size} the log ends in {last!r}"

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop and close the file."""
        try:
            super().__exit__(kind)
        finally:
            self._file.close()
