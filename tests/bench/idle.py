"""What logd takes when it does nothing: `python -m tests.bench.idle`.

Prints the time from start to ready, and memory and processor share with 0, 1,000 and 10,000 idle connections.
"""

from __future__ import annotations

import os
import resource
import socket
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.running import Logd, wait_for

STARTS = 5
SECONDS = 5.0  # of doing nothing
ADDRESSES = 2  # of the senders, as one address has too few ports for comfort


def start(directory: Path) -> Logd:
    """Start a logd with its default options, on free ports."""
    return Logd(directory / "node_log", [], dict(os.environ), [])


def time_to_ready(directory: Path) -> float:
    """Give the seconds from exec to /readyz 200."""
    begin = time.monotonic()
    logd = start(directory)
    try:
        logd.wait_ready()
        return time.monotonic() - begin
    finally:
        logd.close()


def idle(directory: Path, connections: int) -> str:
    """Give memory and processor share with so many connections."""
    logd = start(directory)
    with ExitStack() as stack:
        stack.callback(logd.close)
        logd.wait_ready()
        for number in range(connections):
            source = (f"127.0.0.{2 + number % ADDRESSES}", 0)
            client = socket.create_connection(("127.0.0.1", logd.port), source_address=source)
            stack.enter_context(client)
        wait_for(lambda: logd.metric("nodelog_connections") == connections)
        before = logd.cpu()
        time.sleep(SECONDS)
        share = (logd.cpu() - before) / SECONDS
        return f"{connections:6} connections: {logd.rss() / 1e6:.1f} MB, {share:.1%} of a core"


def main() -> None:
    """Print it all."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as directory:
        times = [time_to_ready(Path(directory)) for _ in range(STARTS)]
        print(
            f"start to ready: {statistics.median(times):.2f} s (median of {STARTS}, {max(times):.2f} at most)"
        )
        for connections in (0, 1000, 10_000):
            print(idle(Path(directory), connections), flush=True)


if __name__ == "__main__":
    main()
