"""What naive clients lose when logd is restarted under load: `python -m tests.bench.shutdown_losses [RUNS]`.

50 clients send 20,000 lines a second in total; three times, logd gets a SIGTERM and is started again on the
same port. Prints the lines sent, lost, doubled and torn per run, and the median of the lost ones.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.bench.naive_clients import line_of
from tests.processes.logd import Logd
from tests.waiting import wait_for

NAIVE_CLIENTS = Path(__file__).with_name("naive_clients.py")
PROCESSES = 2
CLIENTS = 25  # per process
RATE = 400  # lines per second and client
RESTARTS = 3
LINES_BETWEEN = 10_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many lines were sent, and what happened to them."""

    sent: int
    lost: int
    doubled: int
    torn: int


def run(daemon: Logd, restarts: int = RESTARTS) -> Outcome:
    """Restart a logd under load; compare the lines sent with those in its log."""
    clients = [
        subprocess.Popen(
            [sys.executable, NAIVE_CLIENTS, str(daemon.port), name, str(CLIENTS), str(RATE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "ab"[:PROCESSES]
    ]
    try:
        for _ in range(restarts):
            _wait_for_lines(daemon)
            daemon.restart()
        _wait_for_lines(daemon)
        sent: dict[str, int] = {}
        for client in clients:
            sent |= json.loads(client.communicate(timeout=60)[0])
    finally:
        for client in clients:
            with client:
                client.kill()
    assert daemon.stop() == 0
    return count_errors(sent, daemon.log.read_bytes())


def count_errors(sent: dict[str, int], log: bytes) -> Outcome:
    """Count what is missing, what is there too often and what nobody sent."""
    found = Counter(log.splitlines(keepends=True))
    expected = {line_of(name, number) for name, count in sent.items() for number in range(count)}
    return Outcome(
        sent=len(expected),
        lost=len(expected - found.keys()),
        doubled=sum(count - 1 for line, count in found.items() if line in expected),
        torn=sum(count for line, count in found.items() if line not in expected),
    )


def _wait_for_lines(daemon: Logd) -> None:
    """Wait until all clients are connected and lines arrive."""
    wait_for(lambda: daemon.metric("nodelog_connections") == PROCESSES * CLIENTS, "all clients are connected")
    enough = daemon.metric("nodelog_received_bytes_total") + LINES_BETWEEN * 60
    wait_for(lambda: daemon.metric("nodelog_received_bytes_total") > enough, "lines arrive")


def main() -> None:
    """Run it RUNS times, 5 by default."""
    lost = []
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
        with tempfile.TemporaryDirectory() as folder:
            daemon = Logd(Path(folder) / "node_log", [], dict(os.environ), [])
            try:
                daemon.wait_ready()
                outcome = run(daemon)
            finally:
                daemon.close()
        lost.append(outcome.lost)
        print(outcome, flush=True)
    print(f"lost in the median run: {statistics.median(lost):g}")


if __name__ == "__main__":
    main()
