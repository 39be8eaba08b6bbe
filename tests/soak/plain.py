"""Clients as nc is one: connect, send a few long lines, the last one without an LF, end, wait, come again.

Takes options of `nodelog load`; `--write-size` are the bytes of a piece of a line. On an error a client comes
again with the line that its kernel had not taken wholly. What was sent goes to standard output as JSON.
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

TOGETHER = 3  # lines over one connection
RETRY = 0.05  # seconds


class Client:
    """One of them; `sent` lines were handed to the kernel."""

    def __init__(self, address: tuple[str, int], line: Callable[[int], bytes], piece: int) -> None:
        self.sent = 0
        self._address = address
        self._line = line
        self._piece = piece

    def run(self, pause: float, end: float) -> None:
        """Come every so many seconds until the time is `end`, and at once after an error."""
        while (now := time.monotonic()) < end:
            try:
                self._visit()
                due = now + pause
            except OSError:
                due = time.monotonic() + RETRY
            time.sleep(max(0.0, min(due, end) - time.monotonic()))

    def _visit(self) -> None:
        with socket.create_connection(self._address) as peer:
            for nth in range(TOGETHER):
                line = self._line(self.sent)
                self._send(peer, line if nth < TOGETHER - 1 else line[:-1])
                self.sent += 1
            peer.shutdown(socket.SHUT_WR)
            peer.recv(1)

    def _send(self, peer: socket.socket, line: bytes) -> None:
        for start in range(0, len(line), self._piece):
            peer.sendall(line[start : start + self._piece])


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("host", "run"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("port", "connections", "line-size", "write-size", "rate"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--duration", type=quantities.parse_duration, required=True)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    layout = LineFormat(given.run, given.line_size)
    pause = TOGETHER * given.connections / given.rate
    end = time.monotonic() + given.duration
    clients = [
        Client(
            (given.host, given.port),
            lambda line, number=number: layout.format_line(number, line),  # type: ignore[misc]  # its default
            given.write_size,
        )
        for number in range(given.connections)
    ]
    threads = [threading.Thread(target=client.run, args=(pause, end)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"run": given.run, "sent": {n: client.sent for n, client in enumerate(clients)}}))


if __name__ == "__main__":
    main()
