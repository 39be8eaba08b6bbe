"""Clients like nc: connect, send a few long lines, the last one without an LF, disconnect, wait, reconnect.

Accepts options of `nodelog load`; `--write-size` is the size of a piece of a line in bytes. After an error, a
client reconnects and resends the line that its kernel had not fully accepted. The report of what was sent
goes to standard output as JSON.
"""

from __future__ import annotations

import argparse
import json
import socket
import threading
import time
from typing import TYPE_CHECKING

from nodelog import quantities
from nodelog.load.line_format import LineFormat

if TYPE_CHECKING:
    from collections.abc import Callable

LINES_PER_CONNECTION = 3
RETRY = 0.05  # seconds


class NcLikeClient:
    """A client; `sent` lines were handed to the kernel."""

    def __init__(self, address: tuple[str, int], line: Callable[[int], bytes], piece: int) -> None:
        self.sent = 0
        self._address = address
        self._line = line
        self._piece = piece

    def run(self, pause: float, end: float) -> None:
        """Connect every `pause` seconds until the time is `end`; reconnect at once after an error."""
        while (now := time.monotonic()) < end:
            try:
                self._connect_and_send()
                due = now + pause
            except OSError:
                due = time.monotonic() + RETRY
            time.sleep(max(0.0, min(due, end) - time.monotonic()))

    def _connect_and_send(self) -> None:
        with socket.create_connection(self._address) as peer:
            for number in range(LINES_PER_CONNECTION):
                line = self._line(self.sent)
                self._send(peer, line if number < LINES_PER_CONNECTION - 1 else line[:-1])
                self.sent += 1
            peer.shutdown(socket.SHUT_WR)
            peer.recv(1)

    def _send(self, peer: socket.socket, line: bytes) -> None:
        for start in range(0, len(line), self._piece):
            peer.sendall(line[start : start + self._piece])


def main() -> None:
    """Run all clients."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("host", "run"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("port", "connections", "line-size", "write-size", "rate"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--duration", type=quantities.parse_duration, required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    layout = LineFormat(options.run, options.line_size)
    pause = LINES_PER_CONNECTION * options.connections / options.rate
    end = time.monotonic() + options.duration
    clients = [
        NcLikeClient(
            (options.host, options.port),
            lambda line, number=number: layout.format_line(number, line),  # type: ignore[misc]  # its default
            options.write_size,
        )
        for number in range(options.connections)
    ]
    threads = [threading.Thread(target=client.run, args=(pause, end)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"run": options.run, "sent": {n: client.sent for n, client in enumerate(clients)}}))


if __name__ == "__main__":
    main()
