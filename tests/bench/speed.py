"""How fast logd takes blocks of lines: `python -m tests.bench.speed`. A first sanity, no comparison.

One process sends blocks of 64 KiB of 128-byte lines over 64 connections, in turn. Prints GB/s, CPU-seconds of
logd per GB, its peak RSS, and the sender's share of a core: near 100 % the sender was the limit.
"""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
import time
from pathlib import Path

from tests.running import Logd, wait_for

from nodelog import units

LINE = b"x" * 127 + b"\n"


def send(port: int, connections: int, block: bytes, total: int) -> None:
    """Send `total` bytes in blocks, one connection after the other; return when all were received."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    for number in range(total // len(block)):
        clients[number % connections].sendall(block)
    for client in clients:
        client.shutdown(socket.SHUT_WR)
    for client in clients:
        assert client.recv(1) == b""
        client.close()


def measure(directory: Path, connections: int, block: bytes, total: int) -> str:
    """Run logd once; give the figures as a line."""
    logd = Logd(directory / "node_log", ["--rotate-size=1TiB", "--log-level=info"], dict(os.environ), [])
    try:
        logd.wait_ready()
        before, own, start = logd.cpu(), time.process_time(), time.monotonic()
        send(logd.port, connections, block, total)
        wait_for(lambda: logd.metric("nodelog_written_bytes_total") == total)
        seconds, used, own = time.monotonic() - start, logd.cpu() - before, time.process_time() - own
        assert logd.log.stat().st_size == total
        return (
            f"{total / seconds / 1e9:.2f} GB/s  {used / total * 1e9:.2f} CPU-s/GB  "
            f"peak RSS {logd.peak() / 1e6:.0f} MB  sender {own / seconds:.0%} of a core"
        )
    finally:
        logd.close()


def main() -> None:
    """Measure as often as told."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bytes", type=units.size, default="2GiB", help="per round (default 2GiB)")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="where the log lies (default: the temporary directory)")
    options = parser.parse_args()
    block = LINE * (65_536 // len(LINE))
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=options.dir) as directory:
            total = options.bytes // len(block) * len(block)
            print(measure(Path(directory), options.connections, block, total), flush=True)


if __name__ == "__main__":
    main()
