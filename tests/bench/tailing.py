"""What an open tail costs the collector: `python -m tests.bench.tailing [PAIRS]`.

Each pair loads two fresh collectors flat out, one beside an agent that watches alone, one beside an agent
whose `/tail` somebody reads, in turn the one or the other first. Prints the collector's processor time per GB
of both, and the median of what the tail adds. Logs are in memory: the disk is not what is measured.
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


def measured(*, is_tailed: bool) -> float:
    """Load a collector; give its processor time in seconds per GB."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
        daemon = Logd(folder / "node_log", ["--rotate-size=1TiB"], dict(os.environ), [])
        stack.callback(daemon.close)
        daemon.wait_ready()
        tail = _watching(stack, folder, daemon)
        if is_tailed:
            _reading(stack, tail)
        cpu = daemon.cpu_seconds()
        load = (f"--port={daemon.port}", "--host=127.0.0.1", "--connections=8", f"--bytes={BYTES}", "--json")
        subprocess.run([PROGRAMS / "nodelog", "load", *load], check=True, stdout=subprocess.DEVNULL)
        wait_for(lambda: daemon.metric("nodelog_held_bytes") == 0, "all is written")
        return (daemon.cpu_seconds() - cpu) / daemon.metric("nodelog_written_bytes_total") * 1e9


def _watching(stack: ExitStack, folder: Path, daemon: Logd) -> tuple[str, int]:
    """Start an agent that watches this collector; give where its tail is, once it is there."""
    (folder / "token").write_text(TOKEN)
    said = folder / "nodeagent.errors"
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
    with said.open("wb") as errors:
        agent = stack.enter_context(
            subprocess.Popen([PROGRAMS / "nodeagent", "watch", *options], stderr=errors)
        )
    stack.callback(agent.kill)
    wait_for(lambda: "/tail on " in said.read_text(), "the agent listens")
    port = said.read_text().partition("/tail on 127.0.0.1:")[2].partition('"')[0]
    return "127.0.0.1", int(port)


def _reading(stack: ExitStack, tail: tuple[str, int]) -> None:
    """Read the tail as fast as it comes, until the end."""
    connection = http.client.HTTPConnection(*tail)
    connection.connect()
    ours = connection.sock
    connection.request("GET", "/tail", headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    assert answer.status == http.client.OK, answer.read()

    def read() -> None:
        with suppress(OSError, http.client.HTTPException):
            while answer.read1(1 << 20):
                pass

    threading.Thread(target=read, daemon=True).start()
    stack.callback(ours.shutdown, socket.SHUT_RDWR)


def main() -> None:
    """Measure some pairs."""
    added = []
    for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 9):
        order = (False, True) if number % 2 else (True, False)
        found = {is_tailed: measured(is_tailed=is_tailed) for is_tailed in order}
        added.append(found[True] / found[False] - 1)
        print(f"{found[False]:.3f} CPU-s/GB, tailed {found[True]:.3f}: {added[-1]:+.1%}", flush=True)
    print(f"an open tail adds {statistics.median(added):+.1%} in the median pair")


if __name__ == "__main__":
    main()
