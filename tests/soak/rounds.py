"""One round: its loads at the same time, something happens in the middle, then every line is proved.

Everything is awaited, nothing is timed: a load says itself when it is over, the middle begins when all have
connected. Until a round is proved its files are kept by links, so that they may be compressed or removed.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.numbered_lines import wait_until_written
from tests.soak import faults
from tests.soak.loads import NODELOG

from nodelogd.collector.store.file_names import FileNames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.processes.logd import Logd
    from tests.soak.loads import Load
    from tests.soak.scenes import Scene

LOOK_EVERY = 0.2
"""Seconds from one look at logd to the next."""
PATIENCE = 120.0
"""Seconds beyond its time after which a load is given up; it waits itself for what is under way."""
PACED = "lines"
"""The load whose latency is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What came of one."""

    scene: Scene
    seconds: float
    """From the order to begin until the last load had ended."""
    found: tuple[faults.Found, ...]
    memory: faults.Memory
    sealed: int
    """Files, while it went on."""
    p99: float | None
    """Of the paced load, seconds."""
    faults: tuple[str, ...]

    def total(self, what: str) -> int:
        """Sum a figure of all loads."""
        return sum(getattr(found, what) for found in self.found)


class Stage:
    """A logd under the loads of one round; `folder` is for its files, `name` marks its lines."""

    def __init__(self, logd: Logd, scene: Scene, folder: Path, name: str) -> None:
        self._logd = logd
        self._scene = scene
        self._folder = folder
        self._files = folder / "files"
        self._files.mkdir(parents=True)
        self._runs = {load.name: f"{name}-{load.name}" for load in scene.loads}
        self._names = FileNames.resolve(logd.log)
        self._rss = 0
        self._unhealthy = 0

    def play(self, seconds: float) -> Round:
        """Send for so many seconds, then look at each line; logd runs before and after."""
        sealed, said, begin = self._names.last_number(), len(self._logd.stderr), time.monotonic()
        codes = self._send(seconds)
        taken = time.monotonic() - begin
        wait_until_written(self._logd)
        sent = {load: self._sent(load) for load in self._scene.loads if not codes[load.name]}
        self._link(sealed)
        found = self._verify(sent)
        latency = next((told["latency_us"] for load, told in sent.items() if load.name == PACED), {})
        return Round(
            scene=self._scene,
            seconds=taken,
            found=found,
            memory=faults.Memory(rss=self._rss, restarts=self._scene.restarts),
            sealed=self._names.last_number() - sealed,
            p99=latency["p99"] / 1e6 if latency else None,
            faults=(
                *(f"{name} failed: {self._errors(name)}" for name, code in codes.items() if code),
                *([f"/healthz failed {self._unhealthy} times"] if self._unhealthy else []),
                *faults.of_speech(self._logd.stderr[said:], self._scene.may_say),
                *(fault for one in found for fault in faults.of_lines(one, self._scene.restarts)),
            ),
        )

    def _send(self, seconds: float) -> dict[str, int]:
        """Let it all happen; give the exit codes of the loads."""
        with ExitStack() as stack:
            processes = self._start_all(stack, seconds)
            half = time.monotonic() + seconds / 2
            self._watch(lambda: time.monotonic() >= half, seconds)
            self._scene.happens(self._logd, self._files)
            self._watch(lambda: all(one.poll() is not None for one in processes.values()), seconds)
        return {name: one.returncode for name, one in processes.items()}

    def _start_all(self, stack: ExitStack, seconds: float) -> dict[str, subprocess.Popen[bytes]]:
        """Start all; return once those are connected that stay so."""
        staying = [load for load in self._scene.loads if not load.comes_and_goes]
        before = self._accepted()
        processes = {load.name: self._start(stack, load, seconds) for load in staying}
        enough = before + sum(load.connections for load in staying)
        self._watch(
            lambda: (
                self._accepted() >= enough or any(process.poll() for process in processes.values())
            ),  # it is told later
            seconds,
        )
        others = [load for load in self._scene.loads if load.comes_and_goes]
        return processes | {load.name: self._start(stack, load, seconds) for load in others}

    def _start(self, stack: ExitStack, load: Load, seconds: float) -> subprocess.Popen[bytes]:
        command = load.command(self._logd.port, self._runs[load.name], seconds)
        with self._told(load.name).open("wb") as told, self._said(load.name).open("wb") as said:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=said)
        stack.enter_context(process)
        stack.callback(process.kill)  # does nothing once it has ended
        return process

    def _watch(self, until: Callable[[], bool], seconds: float) -> None:
        """Look at logd, once at least, until something is so."""
        end = time.monotonic() + seconds + PATIENCE
        self._look()
        while not until():
            if time.monotonic() > end:
                pytest.fail(f"the loads of {seconds:g} s do not end within {PATIENCE:g} s more")
            time.sleep(LOOK_EVERY)
            self._look()

    def _look(self) -> None:
        try:
            self._rss = max(self._rss, self._logd.rss())
        except (OSError, IndexError):  # nothing there, or nothing but its exit code
            pytest.fail(f"logd exited with {self._logd.wait()}")
        self._unhealthy += self._logd.get("/healthz")[0] != 200

    def _accepted(self) -> float:
        return self._logd.metric("nodelog_connections_accepted_total")

    def _link(self, before: int) -> None:
        """Keep the log and what was sealed after this number; not what a recovery cut off."""
        while True:
            try:
                for path in [
                    self._logd.log,
                    *(each.path for each in self._names.sealed_files() if each.number > before),
                ]:
                    if ".torn-" not in path.name and not (target := self._files / path.name).exists():
                        os.link(path, target)
            except FileNotFoundError:
                continue  # it has been compressed, and has another name now
            return

    def _verify(self, sent: dict[Load, dict[str, dict[str, int]]]) -> tuple[faults.Found, ...]:
        """Have all loads proved, as many at a time as there are processors."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return tuple(pool.map(self._verify_one, sent, sent.values()))

    def _verify_one(self, load: Load, told: dict[str, dict[str, int]]) -> faults.Found:
        files = map(str, self._files.iterdir())
        command = [str(NODELOG), "verify", "--json", f"--sent={self._told(load.name)}", *files]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode not in (0, 1):
            pytest.fail(f"{load.name} cannot be verified: {ended.stderr}")
        found = json.loads(ended.stdout)
        lines = sum(told["sent"].values())
        counts = {what: found[what] for what in ("lost", "gaps", "doubled", "torn", "reordered", "unknown")}
        return faults.Found(load=load.name, sent=lines, bytes=lines * load.line_size, **counts)

    def _sent(self, load: Load) -> dict[str, dict[str, int]]:
        told: dict[str, dict[str, int]] = json.loads(self._told(load.name).read_text())
        return told

    def _told(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _said(self, name: str) -> Path:
        return self._folder / f"{name}.stderr"

    def _errors(self, name: str) -> str:
        return self._said(name).read_text().strip()
