"""Clients as they are usually written: a blocking socket, `sendall` for each line, no check for a FIN.

Arguments: port, name, number of clients, lines per second of each. After an error, a client reconnects and
resends the line that failed. All clients stop at the end of standard input; then the number of lines that
each has sent is written to standard output as JSON.
"""

import json
import socket
import sys
import threading
import time
from contextlib import suppress

RETRY = 0.01  # seconds
PATIENCE = 30.0  # seconds


def connect(port: int) -> socket.socket:
    """Connect, retrying until PATIENCE is over."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(RETRY)


def line_of(name: str, number: int) -> bytes:
    """Return a line that shows if a part of it is missing."""
    return b"<%s %07d %s>\n" % (name.encode(), number, b"." * (number * 7 % 120))


def client(port: int, name: str, rate: float, stop: threading.Event, sent: dict[str, int]) -> None:
    """Send lines at a rate until `stop` is set."""
    number = 0
    peer = connect(port)
    start = time.monotonic()
    while not stop.wait(max(0.0, start + number / rate - time.monotonic())):
        line = line_of(name, number)
        while True:
            try:
                peer.sendall(line)
                break
            except OSError:
                peer.close()
                peer = connect(port)
        number += 1
    with peer, suppress(OSError):
        peer.shutdown(socket.SHUT_WR)
        peer.recv(1)
    sent[name] = number


def main() -> None:
    """Run all clients."""
    port, name, clients, rate = sys.argv[1:]
    stop = threading.Event()
    sent: dict[str, int] = {}
    threads = [
        threading.Thread(target=client, args=(int(port), f"{name}{n}", float(rate), stop, sent))
        for n in range(int(clients))
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    json.dump(sent, sys.stdout)


if __name__ == "__main__":
    main()
