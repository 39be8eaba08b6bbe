"""What an open tail costs the collector: `python -m tests.bench.tail_cost [PAIRS]`.

Each pair loads two new collectors at full speed, one beside an agent that only watches, one beside an agent
whose `/tail` is being read; pairs alternate in which comes first. Prints the collector's CPU time per GB in
both cases, and the median of what the tail adds. Logs are in memory: the disk is not measured.
"""

import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.processes.logd import Logd
from tests.waiting import wait_for

MEMORY = Path("/dev/shm")  # noqa: S108 (each run has a folder of its own there)
PROGRAMS = Path(sys.executable).parent
BYTES = 2 * 1024**3
TOKEN = "s3cret"  # noqa: S105 (of this run)


def measure(*, is_tailed: bool) -> float:
    """Load a collector; return its CPU time in seconds per GB."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
        daemon = Logd(folder / "node_log", ["--rotate-size=1TiB"], dict(os.environ), [])
        stack.callback(daemon.close)
        daemon.wait_ready()
        tail = _start_agent(stack, folder, daemon)
        if is_tailed:
            _read_tail(stack, tail)
        cpu = daemon.cpu_seconds()
        load = (f"--port={daemon.port}", "--host=127.0.0.1", "--connections=8", f"--bytes={BYTES}", "--json")
        subprocess.run([PROGRAMS / "nodelog", "load", *load], check=True, stdout=subprocess.DEVNULL)
        wait_for(lambda: daemon.metric("nodelog_held_bytes") == 0, "all lines are written")
        return (daemon.cpu_seconds() - cpu) / daemon.metric("nodelog_written_bytes_total") * 1e9


def _start_agent(stack: ExitStack, folder: Path, daemon: Logd) -> tuple[str, int]:
    """Start an agent that watches this collector; return the address of its /tail."""
    (folder / "token").write_text(TOKEN)
    stderr = folder / "nodeagent.errors"
    options = (
        f"--collector=127.0.0.1:{daemon.port}",
        f"--daemon=logd=127.0.0.1:{daemon.http_port}",
        f"--disk={folder}",
        f"--archives={folder}/*.tar.gz",
        f"--log={daemon.log}",
        "--http=127.0.0.1:0",
        "--tail=127.0.0.1:0",
        f"--tail-token={folder}/token",
    )
    with stderr.open("wb") as errors:
        agent = stack.enter_context(
            subprocess.Popen([PROGRAMS / "nodeagent", "watch", *options], stderr=errors)
        )
    stack.callback(agent.kill)
    wait_for(lambda: "/tail on " in stderr.read_text(), "the agent listens")
    port = stderr.read_text().partition("/tail on 127.0.0.1:")[2].partition('"')[0]
    return "127.0.0.1", int(port)


def _read_tail(stack: ExitStack, tail: tuple[str, int]) -> None:
    """Read the tail as fast as possible until the stack closes."""
    connection = http.client.HTTPConnection(*tail)
    connection.connect()
    sock = connection.sock
    connection.request("GET", "/tail", headers={"Authorization": f"Bearer {TOKEN}"})
    response = connection.getresponse()
    assert response.status == http.client.OK, response.read()

    def read() -> None:
        with suppress(OSError, http.client.HTTPException):
            while response.read1(1 << 20):
                pass

    threading.Thread(target=read, daemon=True).start()
    stack.callback(sock.shutdown, socket.SHUT_RDWR)


def main() -> None:
    """Measure PAIRS pairs, 9 by default."""
    added = []
    for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 9):
        order = (False, True) if number % 2 else (True, False)
        costs = {is_tailed: measure(is_tailed=is_tailed) for is_tailed in order}
        added.append(costs[True] / costs[False] - 1)
        print(f"{costs[False]:.3f} CPU-s/GB, tailed {costs[True]:.3f}: {added[-1]:+.1%}", flush=True)
    print(f"an open tail adds {statistics.median(added):+.1%} in the median pair")


if __name__ == "__main__":
    main()
