"""Soak test of "exactly once", a minute of each scene: `python -m tests.soak.exactly_once`.

Clients with spools send numbered lines while the collector is ended and restarted about every second, as the
scene defines; each client is killed and restarted at least once. Then the clients drain, and every line is
looked up in all files of the log: a line that was in a spool must be there once and whole. Prints a line per
scene, and FAULT lines; exit code 1 if there was a fault, and the files of that scene are kept.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.faults.faulty_proxy import FaultyProxy
from tests.faults.libfiu import Faults
from tests.faults.mounts import disk_in_memory
from tests.numbered_lines import sealed_files
from tests.processes.logd import Logd
from tests.soak.exactly_once_scenes import SCENES, Scene, Target
from tests.soak.pipe_clients import Feed, PipeClient

from nodelog import quantities
from nodelog.load.line_format import LineFormat
from nodelog.load.verifier.verdict import Verdict, verify

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE_SIZE = 128  # bytes
MIN_UPTIME = 0.3
"""Seconds that the collector listens before its end, even if its start was slow on a busy machine."""
ROTATE_SIZE = "16MiB"
DISK_RESERVE = 64 << 20
"""Bytes of a small disk beyond twice the lines: what stays free until a scene fills it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a scene."""

    spooled: int
    """Lines that were in a spool: each must be stored."""
    restarts: int
    """How often the collector was ended and restarted."""
    client_kills: int
    seconds: float
    """How long lines were fed, without draining."""
    verdict: Verdict
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactlyOnceRun:
    """The duration, the number of clients, and the lines per second over all clients."""

    seconds: float
    clients: int
    rate: int
    restart_interval: float = 1.0
    """Seconds from one end of the collector to the next, including its start."""

    def run(self, scene: Scene, folder: Path) -> Outcome:
        """Run a scene in a folder. Raises pytest's exceptions if it cannot continue."""
        run = f"once-{scene.name}"
        feed = Feed(layout=LineFormat(run, LINE_SIZE), rate=self.rate / self.clients, connections=count())
        with ExitStack() as stack:
            target = self._start_target(stack, scene, folder)
            port = target.logd.port
            if scene.network_faults:
                port = stack.enter_context(FaultyProxy(port, scene.network_faults)).port
            clients = [PipeClient(f"client{n}", folder, port, feed) for n in range(self.clients)]
            start = time.monotonic()
            for client in clients:
                client.start()
                stack.callback(client.abandon)
            restarts = self._restart_repeatedly(scene, target, clients)
            seconds = time.monotonic() - start
            for client in clients:
                client.stop_feeding()
            for client in clients:
                client.join()
            code = target.logd.stop()
            faults = [fault for client in clients for fault in client.faults]
            faults += [f"logd exited with {code}"] if code else []
            verdict = _verify(run, target.logd.log, clients)
        return Outcome(
            spooled=sum(process.spooled for client in clients for process in client.processes),
            restarts=restarts,
            client_kills=sum(client.kills for client in clients),
            seconds=seconds,
            verdict=verdict,
            faults=(*faults, *_faults(verdict)),
        )

    def _start_target(self, stack: ExitStack, scene: Scene, folder: Path) -> Target:
        """Start the collector as the scene requires."""
        log, disk, faults = folder / "node_log", None, None
        if scene.on_small_disk:
            volume = round(self.seconds * self.rate * LINE_SIZE)
            disk = stack.enter_context(disk_in_memory(folder / "disk", 2 * volume + DISK_RESERVE))
            log = disk.path / "node_log"
        if scene.under_faults:
            (folder / "faults").mkdir()
            faults = Faults(folder / "faults")
        env = {name: value for name, value in os.environ.items() if not name.startswith("LOGD_")}
        options = [f"--rotate-size={ROTATE_SIZE}", "--keep-bytes=off", *scene.options]
        logd = Logd(log, options, env, faults.prefix if faults else [])
        stack.callback(logd.close)
        logd.wait_ready()
        return Target(logd=logd, disk=disk, faults=faults)

    def _restart_repeatedly(self, scene: Scene, target: Target, clients: Sequence[PipeClient]) -> int:
        """Restart the collector repeatedly and kill each client once; return the number of restarts."""
        for client in clients:
            client.wait_until_fed()
        start, restarts, not_killed = time.monotonic(), 0, list(clients)
        due = start
        while (passed := time.monotonic() - start) < self.seconds:
            listening = time.monotonic()
            while not_killed and len(clients) - len(not_killed) <= passed / self.seconds * len(clients):
                not_killed.pop().kill()
            due = max(due + self.restart_interval, listening + MIN_UPTIME)
            time.sleep(max(0.0, due - time.monotonic()))
            scene.restart(target)
            restarts += 1
        for client in not_killed:
            client.kill()
        for client in clients:
            client.wait_until_fed()
        return restarts


def _verify(run: str, log: Path, clients: Sequence[PipeClient]) -> Verdict:
    processes = [process for client in clients for process in client.processes]
    return verify(
        run,
        [*sealed_files(log), log],
        {process.connection: process.spooled for process in processes},
        lambda _path, _size: None,
        {process.connection: process.fed - process.spooled for process in processes},
    )


def _faults(verdict: Verdict) -> list[str]:
    counts = _counts(verdict)
    return [f"{count:,} lines {what}" for what, count in counts.items() if count]


def _counts(verdict: Verdict) -> dict[str, int]:
    account = verdict.counts
    return {
        "lost": account.lost.lines,
        "doubled": account.doubled.lines,
        "torn": verdict.torn,
        "reordered": account.reordered.lines,
        "unknown": account.unknown.lines,
        "foreign": verdict.foreign,
    }


def report_line(scene: Scene, outcome: Outcome) -> str:
    """Return the figures of a scene on one line."""
    return (
        f"{scene.name:11} {outcome.spooled:,} lines in spools at {outcome.spooled / outcome.seconds:,.0f}/s, "
        f"{outcome.verdict.counts.received:,} received, "
        + ", ".join(f"{count:,} {what}" for what, count in list(_counts(outcome.verdict).items())[:3])
        + f"; collector ended {outcome.restarts} times, every {outcome.seconds / outcome.restarts:.2f} s, "
        + f"clients killed {outcome.client_kills} times"
    )


def main() -> int:
    """Run the scenes and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add(
        "--for",
        type=quantities.parse_duration,
        default="60s",
        dest="time",
        help="duration of a scene (default 60s)",
    )
    add("--clients", type=int, default=50, help="processes, each with a spool (default 50)")
    add("--rate", type=int, default=20_000, help="lines per second over all clients (default 20000)")
    add("--scene", choices=[*(scene.name for scene in SCENES), "all"], default="all")
    add("--dir", type=Path, help="where to write log and spools (default: the temporary directory)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run = ExactlyOnceRun(seconds=options.time, clients=options.clients, rate=options.rate)
    scenes = [scene for scene in SCENES if options.scene in (scene.name, "all")]
    return 1 if sum(not _passes(run, scene, options.dir) for scene in scenes) else 0


def _passes(run: ExactlyOnceRun, scene: Scene, parent: Path | None) -> bool:
    """Run a scene, print its result, and return whether it had no fault."""
    folder = Path(tempfile.mkdtemp(prefix=f"once-{scene.name}-", dir=parent))
    try:
        outcome = run.run(scene, folder)
        print(report_line(scene, outcome), flush=True)
        faults = outcome.faults
    except (pytest.fail.Exception, pytest.skip.Exception, AssertionError) as error:
        faults = (f"cannot continue: {str(error)[:500]}",)
    for fault in faults:
        print(f"FAULT: {scene.name}: {fault}; the files are in {folder}", flush=True)
    if not faults:
        shutil.rmtree(folder)
    return not faults


if __name__ == "__main__":
    sys.exit(main())
