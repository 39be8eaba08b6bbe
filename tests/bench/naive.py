"""Clients as programs usually write them: a blocking socket, `sendall` for each line, no look for a FIN.

Arguments: port, name, clients, lines per second of each. On an error a client connects again and sends the
line whose sending failed again. At the end of standard input all of them end; the number of lines that each
sent goes to standard output as JSON.
"""

import json
import socket
import sys
import threading
import time
from contextlib import suppress

RETRY = 0.01  # seconds
PATIENCE = 30.0  # seconds


def connected(port: int) -> socket.socket:
    """Connect, however long it takes."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(RETRY)


def line_of(name: str, number: int) -> bytes:
    """Give a line that shows when a part of it is missing."""
    return b"<%s %07d %s>\n" % (name.encode(), number, b"." * (number * 7 % 120))


def client(port: int, name: str, rate: float, enough: threading.Event, sent: dict[str, int]) -> None:
    """Send lines at a rate until it is enough."""
    number = 0
    peer = connected(port)
    start = time.monotonic()
    while not enough.wait(max(0.0, start + number / rate - time.monotonic())):
        line = line_of(name, number)
        while True:
            try:
                peer.sendall(line)
                break
            except OSError:
                peer.close()
                peer = connected(port)
        number += 1
    with peer, suppress(OSError):
        peer.shutdown(socket.SHUT_WR)
        peer.recv(1)
    sent[name] = number


def main() -> None:
    """Run them all."""
    port, name, clients, rate = sys.argv[1:]
    enough = threading.Event()
    sent: dict[str, int] = {}
    threads = [
        threading.Thread(target=client, args=(int(port), f"{name}{n}", float(rate), enough, sent))
        for n in range(int(clients))
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    enough.set()
    for thread in threads:
        thread.join()
    json.dump(sent, sys.stdout)


if __name__ == "__main__":
    main()
