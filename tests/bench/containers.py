"""What a container costs logd: the same program outside, in one with the host's network, behind a bridge.

    .ci/docker .venv/bin/python -m tests.bench.containers

All run from the files of one image, in turn, and write into one folder; outside means chroot into the
container's root. Behind the bridge the container is reached at its own address, over a pair of virtual
interfaces. As root, since only root sees into containers.
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
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from tests.bench.measuring import NODELOG
from tests.bench.places import KEPT
from tests.bench.running import PATIENCE, POLL, _cpu
from tests.bench.warmth import Warmth
from tests.deploy.docker import TAG

if TYPE_CHECKING:
    from collections.abc import Generator

OWNER: Final = 65532
VOLUME: Final = 1 << 30  # bytes in a run
LOGD: Final = ("--rotate-size=1TiB", "--keep-free=off", "--http=127.0.0.1:0")
WAYS: Final = {
    "outside": ("--network=host",),
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


def docker(*arguments: str) -> str:
    """Run the client; give what it prints."""
    run = subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return run.stdout.strip()


@contextmanager
def started(way: str, folder: Path, port: int) -> Generator[Target]:
    """Run logd in one of the WAYS, for as long as the block lasts."""
    listen = f"--listen={port}" if way == "bridge" else f"--listen=127.0.0.1:{port}"
    program = ("sleep", "1000") if way == "outside" else ("logd", listen, *LOGD)
    options = (*WAYS[way], "--read-only", "--cap-drop=ALL", f"--volume={folder}:/var/lib/nodelog")
    name = docker("run", "--detach", *options, f"--entrypoint={program[0]}", TAG, *program[1:])
    outside = None
    try:
        pid, address = docker(
            "inspect", "--format", "{{.State.Pid}} {{.NetworkSettings.IPAddress}}|", name
        ).split()
        if way == "outside":
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


def measured(way: str, place: Path, port: int) -> dict[str, float]:
    """Send to one; give GB/s, and CPU-s/GB of logd."""
    with TemporaryDirectory(dir=place) as name, Warmth(VOLUME) as warmth:
        folder = Path(name)
        os.chown(folder, OWNER, OWNER)
        with started(way, folder, port) as target:
            before, began = _cpu(target.pid), time.monotonic()
            sent = load(target)
            while (size := (folder / "node_log").stat().st_size) < sent["bytes"]:
                warmth.free(size)
                time.sleep(POLL)
            seconds, cpu = time.monotonic() - began, _cpu(target.pid) - before
    return {"GB/s": sent["bytes"] / seconds / 1e9, "CPU-s/GB": cpu / sent["bytes"] * 1e9}


def load(target: Target) -> dict[str, Any]:
    """Send blocks of 64 connections; give what the generator says."""
    to = (f"--host={target.host}", f"--port={target.port}")
    command = [NODELOG, "load", "--json", *to, f"--bytes={VOLUME}", "--connections=64"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def main() -> int:
    """Print a table: medians, and the median of each way's ratio to outside, round by round."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=KEPT, help="where logd writes")
    parser.add_argument("--port", type=int, default=16666)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    rounds: list[dict[str, dict[str, float]]] = []
    for number in range(given.rounds):
        turn, ways = number % len(WAYS), list(WAYS)
        rounds.append({way: measured(way, given.folder, given.port) for way in ways[turn:] + ways[:turn]})
    print("| | GB/s | CPU-s/GB | CPU-s/GB against outside |\n|---|---|---|---|")
    for way in WAYS:
        speed, cpu = (
            statistics.median(one[way][figure] for one in rounds) for figure in ("GB/s", "CPU-s/GB")
        )
        ratios = sorted(one[way]["CPU-s/GB"] / one["outside"]["CPU-s/GB"] for one in rounds)
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"| {way} | {speed:.2f} | {cpu:.2f} | {spread} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
