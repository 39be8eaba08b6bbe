"""Lines over a plain connection, to a collector that does not acknowledge them.

A plain connection has no acknowledgements, and a write into one that the collector has already ended
"succeeds" into nothing. So the end of the stream is looked for all the time between two lines and once more
before each: the collector says goodbye (a FIN) before it goes, and a client that listens loses nothing to a
restart.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import time
from typing import TYPE_CHECKING, Final

from nodelog.backoff import delays

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.commands.stop_signals import Stop

_CONNECT_SECONDS: Final = 5.0
_GOODBYE_SECONDS: Final = 2.0


class Plain:
    """One connection to the collector at a time, made when there is something to send."""

    is_done = True
    """As far as anybody can know."""

    def __init__(self, host: str, port: int, stop: Stop, say: Callable[[str], None]) -> None:
        self._address = (host, port)
        self._stop = stop
        self._say = say
        self._socket: socket.socket | None = None
        self._failing = False

    def wait(self, seconds: float) -> bool:
        """Wait that long, and hang up as soon as the collector does; True as soon as it is time to stop."""
        end = time.monotonic() + seconds
        while True:
            left = max(0.0, end - time.monotonic())
            events = self._events(left, select.POLLIN)
            if self._stop.fileno() in events:
                return True
            if not events and left <= 0:
                return False
            if events and self._collector_hung_up():
                self._hang_up()

    def send(self, line: bytes) -> bool:
        """Hand `line` over, however many connections it takes; False if told to stop before."""
        pauses = delays(random.random)
        pause = 0.0
        while not self.wait(pause):
            pause = 0.0
            try:
                if self._socket is None:
                    self._connect()  # and look once more for a signal or a FIN before the line goes
                else:
                    return self._write(self._socket, line)
            except OSError as error:
                self._hang_up()
                self._report(error)
                pause = next(pauses)
        return False

    def close(self) -> None:
        """End the stream, and give the collector a moment to read all of it and close its side."""
        if self._socket is None:
            return
        with contextlib.suppress(OSError):  # it hung up first: there is nobody left to say goodbye to
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(_GOODBYE_SECONDS)
            while self._socket.recv(4096):
                pass
        self._hang_up()

    def report(self, sent: int) -> str:
        """Tell what was done."""
        host, port = self._address
        return f"{sent} lines sent to {host} port {port}"

    def _connect(self) -> None:
        self._socket = socket.create_connection(self._address, timeout=_CONNECT_SECONDS)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._failing:
            self._failing = False
            self._say(f"connected to {self}")

    def _write(self, connection: socket.socket, line: bytes) -> bool:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[connection.send(rest) :]
            except BlockingIOError:  # the collector does not read at the moment: its disk is slow or full
                if self._stop.fileno() in self._events(None, select.POLLOUT):
                    return False
        return True

    def _events(self, seconds: float | None, awaited: int) -> set[int]:
        """Wait for the signal or for the connection; return the file descriptors of what happened."""
        poll = select.poll()
        poll.register(self._stop, select.POLLIN)
        if self._socket is not None:
            poll.register(self._socket, awaited)
        return {number for number, _ in poll.poll(None if seconds is None else seconds * 1000)}

    def _collector_hung_up(self) -> bool:
        try:
            return self._socket is not None and not self._socket.recv(4096)  # what it says is of no interest
        except BlockingIOError:
            return False
        except OSError as error:
            self._report(error)
            return True

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _report(self, error: OSError) -> None:
        """Say it once per outage, not once per try."""
        if not self._failing:
            self._failing = True
            self._say(f"no connection to {self}: {error.strerror or error}; trying again, nothing is skipped")

    def __str__(self) -> str:
        host, port = self._address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
