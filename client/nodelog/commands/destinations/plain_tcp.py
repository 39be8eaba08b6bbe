"""Lines over a plain TCP connection, without acknowledgements.

A write into a connection that the collector has already closed "succeeds", and the line is lost. Therefore
the end of the stream is watched for between two lines and checked again before each line: the collector
closes its side (sends a FIN) before it exits, and a client that watches for this loses nothing to a restart.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import time
from typing import TYPE_CHECKING, Final

from nodelog.backoff import delays
from nodelog.commands.stop_signals import POLL_SECONDS
from nodelog.shipping.network.name_lookup import (
    LOOKUP_SECONDS,
    NO_ANSWER,
    NameLookup,
    connect_to,
    lookup_failure,
)
from nodelog.shipping.network.path_check import CHECK_SECONDS, PathCheck, enable_keepalive, read_tcp_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.commands.stop_signals import StopSignals
    from nodelog.shipping.network.name_lookup import Endpoint

_CONNECT_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 2.0


class PlainTcp:
    """One connection to the collector at a time, opened when there is something to send."""

    is_complete = True
    """Without acknowledgements, nothing else can be known."""

    def __init__(self, host: str, port: int, stop: StopSignals, on_message: Callable[[str], None]) -> None:
        self._address = (host, port)
        self._lookup = NameLookup([host], port, lambda: None)
        self._lookup_since: float | None = None
        self._untried: list[Endpoint] = []  # addresses of this round
        self._path_check = PathCheck()
        self._stop = stop
        self._on_message = on_message
        self._socket: socket.socket | None = None
        self._failing = False

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds`, and disconnect as soon as the collector does.

        Return True as soon as there was a stop signal.
        """
        end = time.monotonic() + seconds
        while True:
            left = max(0.0, end - time.monotonic())
            events = self._poll(min(left, CHECK_SECONDS), select.POLLIN)
            if self._stop.fileno() in events:
                return True
            if self._is_path_dead() or (events and self._is_closed_by_collector()):
                self._disconnect()
            elif not events and left <= 0:
                return False

    def send(self, line: bytes) -> bool:
        """Send `line`, over as many connections as it takes; return False if a stop signal came first."""
        pauses = delays(random.random)
        pause = 0.0
        while not self.wait(pause):
            try:
                if self._socket is None:
                    pause = self._connect()  # and check for a signal and a FIN before the line is sent
                else:
                    return self._write(self._socket, line)
            except OSError as error:
                self._disconnect()
                pause = 0.0
                if not self._untried:
                    self._report(lookup_failure(error))
                    pause = next(pauses)
        return False

    def close(self) -> None:
        """End the stream, and wait a moment for the collector to read all of it and close its side."""
        if self._socket is None:
            return
        with contextlib.suppress(OSError):  # the collector closed the connection first
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(_CLOSE_SECONDS)
            while self._socket.recv(4096):
                pass
        self._disconnect()

    def summary(self, sent: int) -> str:
        """Return what was done, in one line."""
        host, port = self._address
        return f"{sent} lines sent to {host} port {port}"

    def _connect(self) -> float:
        """Connect to the next address, unless it is not known yet; return the seconds to wait then."""
        endpoints = self._untried or self._lookup.take_result()
        if endpoints is None:
            self._report_slow_lookup()
            return POLL_SECONDS
        self._lookup_since = None
        endpoint, *self._untried = endpoints
        self._socket = connect_to([endpoint], _CONNECT_SECONDS)
        self._socket.setblocking(False)
        enable_keepalive(self._socket)
        self._path_check = PathCheck()
        self._untried.clear()
        if self._failing:
            self._failing = False
            self._on_message(f"connected to {self}")
        return 0.0

    def _report_slow_lookup(self) -> None:
        now = time.monotonic()
        if self._lookup_since is None:
            self._lookup_since = now
        elif now - self._lookup_since >= LOOKUP_SECONDS:
            self._report(NO_ANSWER)

    def _is_path_dead(self) -> bool:
        """Return whether the kernel at the other end does not answer any more, and report that."""
        if self._socket is None:
            return False
        seconds = self._path_check.silent_seconds(read_tcp_state(self._socket), time.monotonic())
        if seconds:
            self._report(f"its host has not answered for {seconds:.0f} s")
        return bool(seconds)

    def _write(self, connection: socket.socket, line: bytes) -> bool:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[connection.send(rest) :]
            except BlockingIOError:  # the collector is not reading: its disk is slow or full
                if self._stop.fileno() in self._poll(None, select.POLLOUT):
                    return False
        return True

    def _poll(self, seconds: float | None, events: int) -> set[int]:
        """Wait for a stop signal or for `events` on the connection; return the descriptors that are ready."""
        poll = select.poll()
        poll.register(self._stop, select.POLLIN)
        if self._socket is not None:
            poll.register(self._socket, events)
        return {number for number, _ in poll.poll(None if seconds is None else seconds * 1000)}

    def _is_closed_by_collector(self) -> bool:
        try:
            return self._socket is not None and not self._socket.recv(4096)  # what it sends is ignored
        except BlockingIOError:
            return False
        except OSError as error:
            self._report(error.strerror or str(error))
            return True

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _report(self, reason: str) -> None:
        """Report an outage once, not at every retry."""
        if not self._failing:
            self._failing = True
            self._on_message(f"no connection to {self}: {reason}; trying again, nothing is skipped")

    def __str__(self) -> str:
        host, port = self._address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
