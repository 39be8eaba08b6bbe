"""The proof of "exactly once", a minute of each scene: `python -m tests.soak.exactly_once`.

Clients on spools send numbered lines while the collector is ended about every second, as the scene says,
and each of them is killed and started again at least once. In the end they drain, and each line is looked for
in all files of the log: what was in a spool has to be there once and whole. Prints a line per scene, and
FAULT lines; exit code 1 if there was a fault, then the files of that scene are kept.
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
from tests.soak.clients import Client, Feed
from tests.soak.once_scenes import SCENES, Place, Scene

from nodelog import quantities
from nodelog.load.line_format import LineFormat
from nodelog.load.verifier.verdict import Verdict, verify

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE_SIZE = 128  # bytes
LEAST = 0.3
"""Seconds that it listens before its end, however long its start took on a busy machine."""
ROTATE = "16MiB"
BESIDE = 64 << 20
"""Bytes of a small disk beside the lines: what is left when it is not full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a scene."""

    spooled: int
    """Lines that were in a spool: each has to be stored."""
    ends: int
    """How often the collector was ended."""
    client_kills: int
    seconds: float
    """While lines were fed; draining comes on top."""
    verdict: Verdict
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """How long, with how many clients, and how many lines per second in all."""

    seconds: float
    clients: int
    rate: int
    every: float = 1.0
    """Seconds from one end of the collector to the next, its start among them."""

    def act(self, scene: Scene, folder: Path) -> Outcome:
        """Play a scene in a folder. Raises what pytest raises when something cannot go on."""
        run = f"once-{scene.name}"
        feed = Feed(layout=LineFormat(run, LINE_SIZE), rate=self.rate / self.clients, connections=count())
        with ExitStack() as stack:
            place = self._place(stack, scene, folder)
            port = place.logd.port
            if scene.weather:
                port = stack.enter_context(FaultyProxy(port, scene.weather)).port
            clients = [Client(f"client{n}", folder, port, feed) for n in range(self.clients)]
            begin = time.monotonic()
            for client in clients:
                client.start()
                stack.callback(client.abandon)
            ends = self._trouble(scene, place, clients)
            seconds = time.monotonic() - begin
            for client in clients:
                client.end()
            for client in clients:
                client.join()
            code = place.logd.stop()
            faults = [fault for client in clients for fault in client.faults]
            faults += [f"logd exited with {code}"] if code else []
            verdict = _verify(run, place.logd.log, clients)
        return Outcome(
            spooled=sum(life.spooled for client in clients for life in client.lives),
            ends=ends,
            client_kills=sum(client.kills for client in clients),
            seconds=seconds,
            verdict=verdict,
            faults=(*faults, *_faults(verdict)),
        )

    def _place(self, stack: ExitStack, scene: Scene, folder: Path) -> Place:
        """Start the collector where the scene wants it."""
        log, disk, faults = folder / "node_log", None, None
        if scene.on_small_disk:
            volume = round(self.seconds * self.rate * LINE_SIZE)
            disk = stack.enter_context(disk_in_memory(folder / "disk", 2 * volume + BESIDE))
            log = disk.path / "node_log"
        if scene.under_faults:
            (folder / "faults").mkdir()
            faults = Faults(folder / "faults")
        env = {name: value for name, value in os.environ.items() if not name.startswith("LOGD_")}
        options = [f"--rotate-size={ROTATE}", "--keep-bytes=off", *scene.options]
        logd = Logd(log, options, env, faults.prefix if faults else [])
        stack.callback(logd.close)
        logd.wait_ready()
        return Place(logd=logd, disk=disk, faults=faults)

    def _trouble(self, scene: Scene, place: Place, clients: Sequence[Client]) -> int:
        """Let it happen again and again, and each client be killed once; give how often it happened."""
        for client in clients:
            client.wait_until_fed()
        start, ends, living = time.monotonic(), 0, list(clients)
        due = start
        while (passed := time.monotonic() - start) < self.seconds:
            listens = time.monotonic()
            while living and len(clients) - len(living) <= passed / self.seconds * len(clients):
                living.pop().kill()
            due = max(due + self.every, listens + LEAST)
            time.sleep(max(0.0, due - time.monotonic()))
            scene.happens(place)
            ends += 1
        for client in living:
            client.kill()
        for client in clients:
            client.wait_until_fed()
        return ends


def _verify(run: str, log: Path, clients: Sequence[Client]) -> Verdict:
    lives = [life for client in clients for life in client.lives]
    return verify(
        run,
        [*sealed_files(log), log],
        {life.connection: life.spooled for life in lives},
        lambda _path, _size: None,
        {life.connection: life.fed - life.spooled for life in lives},
    )


def _faults(verdict: Verdict) -> list[str]:
    counts = _counts(verdict)
    return [f"{count:,} lines {what}" for what, count in counts.items() if count]


def _counts(verdict: Verdict) -> dict[str, int]:
    account = verdict.account
    return {
        "lost": account.lost.lines,
        "doubled": account.doubled.lines,
        "torn": verdict.torn,
        "reordered": account.reordered.lines,
        "unknown": account.unknown.lines,
        "foreign": verdict.foreign,
    }


def line(scene: Scene, done: Outcome) -> str:
    """Give the figures of a scene."""
    return (
        f"{scene.name:11} {done.spooled:,} lines in spools at {done.spooled / done.seconds:,.0f}/s, "
        f"{done.verdict.account.received:,} received, "
        + ", ".join(f"{count:,} {what}" for what, count in list(_counts(done.verdict).items())[:3])
        + f"; collector ended {done.ends} times, every {done.seconds / done.ends:.2f} s, "
        + f"clients killed {done.client_kills} times"
    )


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add(
        "--for",
        type=quantities.parse_duration,
        default="60s",
        dest="time",
        help="time for a scene (default 60s)",
    )
    add("--clients", type=int, default=50, help="each a process with a spool (default 50)")
    add("--rate", type=int, default=20_000, help="lines per second of all together (default 20000)")
    add("--scene", choices=[*(scene.name for scene in SCENES), "all"], default="all")
    add("--dir", type=Path, help="where log and spools lie (default: the temporary directory)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    play = Play(seconds=options.time, clients=options.clients, rate=options.rate)
    scenes = [scene for scene in SCENES if options.scene in (scene.name, "all")]
    return 1 if sum(not _is_good(play, scene, options.dir) for scene in scenes) else 0


def _is_good(play: Play, scene: Scene, parent: Path | None) -> bool:
    """Play a scene, and print what came of it."""
    folder = Path(tempfile.mkdtemp(prefix=f"once-{scene.name}-", dir=parent))
    try:
        done = play.act(scene, folder)
        print(line(scene, done), flush=True)
        faults = done.faults
    except (pytest.fail.Exception, pytest.skip.Exception, AssertionError) as error:
        faults = (f"cannot go on: {str(error)[:500]}",)
    for fault in faults:
        print(f"FAULT: {scene.name}: {fault}; the files are in {folder}", flush=True)
    if not faults:
        shutil.rmtree(folder)
    return not faults


if __name__ == "__main__":
    sys.exit(main())
