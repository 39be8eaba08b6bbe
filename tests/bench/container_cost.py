"""What a container costs logd: the same program outside, in one with the host's network, behind a bridge.

    .ci/docker .venv/bin/python -m tests.bench.container_cost

All run from the files of one image, in turn, and write into the same folder; outside means a chroot into the
container's root. A round measures them in order and then in reverse order and adds both up, so that a machine
that slows down meanwhile affects all alike. Behind the bridge, the container is reached at its own address,
over a pair of virtual interfaces. Needs root, because only root sees into containers, and the image that the
tests build from this checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Any, Final

from tests.bench.collectors.collector_process import PATIENCE, POLL, cpu_seconds
from tests.bench.warm_memory import WarmMemory
from tests.bench.workspace import CACHE, NODELOG
from tests.deploy.docker import TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

OWNER: Final = 65532
VOLUME: Final = 1 << 30  # bytes in a run
LOGD: Final = ("--rotate-size=1TiB", "--keep-free=off", "--http=127.0.0.1:0")
OUTSIDE: Final = "outside"
WAYS: Final = {
    OUTSIDE: ("--network=host",),
    "host network": ("--network=host",),
    "host network, no seccomp": ("--network=host", "--security-opt=seccomp=unconfined"),
    "bridge": ("--network=bridge",),
}
"""Each with its options for `docker run`."""


@dataclass(frozen=True, slots=True)
class Target:
    """A running logd."""

    pid: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What it took to receive an amount of lines."""

    gigabytes: float
    seconds: float
    cpu: float
    """CPU seconds of logd."""

    def __add__(self, other: Cost) -> Cost:
        """Add up two runs."""
        return Cost(self.gigabytes + other.gigabytes, self.seconds + other.seconds, self.cpu + other.cpu)


def docker(*arguments: str) -> str:
    """Run docker and return its output."""
    run = subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return run.stdout.strip()


@contextmanager
def started(way: str, folder: Path, port: int) -> Generator[Target]:
    """Run logd in one of the WAYS until the block ends."""
    listen = f"--listen={port}" if way == "bridge" else f"--listen=127.0.0.1:{port}"
    program = ("sleep", "1000") if way == OUTSIDE else ("logd", listen, *LOGD)
    options = (*WAYS[way], "--read-only", "--cap-drop=ALL", f"--volume={folder}:/var/lib/nodelog")
    name = docker("run", "--detach", *options, f"--entrypoint={program[0]}", TAG, *program[1:])
    outside = None
    try:
        pid, address = docker(
            "inspect", "--format", "{{.State.Pid}} {{.NetworkSettings.IPAddress}}|", name
        ).split()
        if way == OUTSIDE:
            root = ("chroot", f"--userspec={OWNER}:{OWNER}", f"/proc/{pid}/root", "/opt/nodelog/bin/logd")
            outside = subprocess.Popen([*root, listen, *LOGD], stderr=subprocess.DEVNULL)
        target = Target(
            outside.pid if outside else int(pid), address.strip("|") if way == "bridge" else "127.0.0.1", port
        )
        wait_accepting(target)
        yield target
    finally:
        if outside:
            outside.send_signal(signal.SIGTERM)
            outside.wait(PATIENCE)
        docker("rm", "--force", name)


def wait_accepting(target: Target) -> None:
    """Wait until it accepts connections."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((target.host, target.port)).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(POLL)
        else:
            return


def measure(way: str, place: Path, port: int) -> Cost:
    """Send lines to logd, run in one of the WAYS, and return the cost."""
    with TemporaryDirectory(dir=place) as name, WarmMemory(VOLUME) as memory:
        folder = Path(name)
        os.chown(folder, OWNER, OWNER)
        with started(way, folder, port) as target:
            before, start = cpu_seconds(target.pid), time.monotonic()
            log, sent, size = folder / "node_log", None, 0
            with loading(target) as output:
                while sent is None or size < sent["bytes"]:
                    size = log.stat().st_size if log.exists() else 0
                    memory.free(size)
                    time.sleep(POLL)
                    sent = sent or output()
            return Cost(size / 1e9, time.monotonic() - start, cpu_seconds(target.pid) - before)


def measure_round(ways: list[str], place: Path, port: int) -> dict[str, Cost]:
    """Measure all in order and in reverse order; return the sum for each."""
    first, second = ({way: measure(way, place, port) for way in turn} for turn in (ways, ways[::-1]))
    return {way: first[way] + second[way] for way in ways}


@contextmanager
def loading(target: Target) -> Generator[Callable[[], dict[str, Any] | None]]:
    """Send over 64 connections; the function returns the generator's report, or None until it has ended."""
    to = (f"--host={target.host}", f"--port={target.port}")
    command = [NODELOG, "load", "--json", *to, f"--bytes={VOLUME}", "--connections=64"]
    with TemporaryFile("w+") as report, subprocess.Popen(command, stdout=report) as process:

        def output() -> dict[str, Any] | None:
            if process.poll() is None:
                return None
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, command)
            report.seek(0)
            return dict(json.load(report))

        yield output


def main() -> int:
    """Print a table: medians, and the median of each way's ratio to outside, round by round."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    others = [way for way in WAYS if way != OUTSIDE]
    parser.add_argument(
        "--way", action="append", choices=others, help="only this one, against outside; may be repeated"
    )
    parser.add_argument("--folder", type=Path, default=CACHE, help="where logd writes")
    parser.add_argument("--port", type=int, default=16666)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    ways = [OUTSIDE, *(options.way or others)]
    rounds: list[dict[str, Cost]] = []
    for number in range(options.rounds):
        turn = number % len(ways)
        rounds.append(measure_round(ways[turn:] + ways[:turn], options.folder, options.port))
    print("| | GB/s | CPU-s/GB | CPU-s/GB against outside |\n|---|---|---|---|")
    for way in ways:
        costs = [one[way] for one in rounds]
        speed = statistics.median(cost.gigabytes / cost.seconds for cost in costs)
        cpu = statistics.median(cost.cpu / cost.gigabytes for cost in costs)
        ratios = sorted(
            one[way].cpu / one[way].gigabytes / (one[OUTSIDE].cpu / one[OUTSIDE].gigabytes) for one in rounds
        )
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"| {way} | {speed:.2f} | {cpu:.2f} | {spread} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
