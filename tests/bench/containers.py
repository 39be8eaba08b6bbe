"""What a container costs logd: the same program outside, in one with the host's network, behind a bridge.

    .ci/docker .venv/bin/python -m tests.bench.containers

All run from the files of one image, in turn, and write into one folder; outside means chroot into the
container's root. A round goes through them forth and back and adds up what each took both times: a machine
that becomes slower meanwhile does so for all of them. Behind the bridge the container is reached at its own
address, over a pair of virtual interfaces. As root, since only root sees into containers. The tests have to
have made the image of this checkout.
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

from tests.bench.measuring import NODELOG
from tests.bench.places import KEPT
from tests.bench.running import PATIENCE, POLL, _cpu
from tests.bench.warmth import Warmth
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
"""Each with its options of `docker run`."""


@dataclass(frozen=True, slots=True)
class Target:
    """A logd that takes lines."""

    pid: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What so many lines took."""

    gigabytes: float
    seconds: float
    cpu: float
    """Seconds of logd."""

    def __add__(self, other: Cost) -> Cost:
        """Add up two runs."""
        return Cost(self.gigabytes + other.gigabytes, self.seconds + other.seconds, self.cpu + other.cpu)


def docker(*arguments: str) -> str:
    """Run the client; give what it prints."""
    run = subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return run.stdout.strip()


@contextmanager
def started(way: str, folder: Path, port: int) -> Generator[Target]:
    """Run logd in one of the WAYS, for as long as the block lasts."""
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
    """Return once it takes connections."""
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


def measured(way: str, place: Path, port: int) -> Cost:
    """Send to one; give what it took."""
    with TemporaryDirectory(dir=place) as name, Warmth(VOLUME) as warmth:
        folder = Path(name)
        os.chown(folder, OWNER, OWNER)
        with started(way, folder, port) as target:
            before, began = _cpu(target.pid), time.monotonic()
            log, sent, size = folder / "node_log", None, 0
            with loading(target) as output:
                while sent is None or size < sent["bytes"]:
                    size = log.stat().st_size if log.exists() else 0
                    warmth.free(size)
                    time.sleep(POLL)
                    sent = sent or output()
            return Cost(size / 1e9, time.monotonic() - began, _cpu(target.pid) - before)


def measured_round(ways: list[str], place: Path, port: int) -> dict[str, Cost]:
    """Send to each of them twice, forth and back; give what both took."""
    forth, back = ({way: measured(way, place, port) for way in turn} for turn in (ways, list(reversed(ways))))
    return {way: forth[way] + back[way] for way in ways}


@contextmanager
def loading(target: Target) -> Generator[Callable[[], dict[str, Any] | None]]:
    """Send over 64 connections; the function gives what the generator says, None until it has ended."""
    to = (f"--host={target.host}", f"--port={target.port}")
    command = [NODELOG, "load", "--json", *to, f"--bytes={VOLUME}", "--connections=64"]
    with TemporaryFile("w+") as said, subprocess.Popen(command, stdout=said) as process:

        def output() -> dict[str, Any] | None:
            if process.poll() is None:
                return None
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, command)
            said.seek(0)
            return dict(json.load(said))

        yield output


def main() -> int:
    """Print a table: medians, and the median of each way's ratio to outside, round by round."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    others = [way for way in WAYS if way != OUTSIDE]
    parser.add_argument("--way", action="append", choices=others, help="only this one against outside")
    parser.add_argument("--folder", type=Path, default=KEPT, help="where logd writes")
    parser.add_argument("--port", type=int, default=16666)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    ways = [OUTSIDE, *(given.way or others)]
    rounds: list[dict[str, Cost]] = []
    for number in range(given.rounds):
        turn = number % len(ways)
        rounds.append(measured_round(ways[turn:] + ways[:turn], given.folder, given.port))
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
