"""One round: all loads at the same time, an event in the middle, then every line is verified.

Everything is awaited, nothing is timed: a load reports its own end, and the half time is counted from when
all have connected. Hard links keep the files of a round until it is verified, while logd compresses or
removes them.
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
from tests.soak import fault_rules
from tests.soak.loads import NODELOG

from nodelogd.collector.store.file_names import FileNames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.processes.logd import Logd
    from tests.soak.loads import Load
    from tests.soak.mixed_load_scenes import Scene

CHECK_INTERVAL = 0.2
"""Seconds between checks of logd."""
PATIENCE = 120.0
"""Seconds after its planned end at which a load is given up; it waits itself for data under way."""
LATENCY_LOAD = "lines"
"""The load whose latency is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The result of a round."""

    scene: Scene
    seconds: float
    """From the start of the loads to the end of the last one."""
    results: tuple[fault_rules.LoadResult, ...]
    memory: fault_rules.Memory
    sealed: int
    """Files sealed during the round."""
    p99: float | None
    """Latency of the paced load in seconds."""
    faults: tuple[str, ...]

    def total(self, what: str) -> int:
        """Return the sum of a figure over all loads."""
        return sum(getattr(result, what) for result in self.results)


class RoundRunner:
    """Runs the loads of one round against a logd; `folder` holds its files, `name` marks its lines."""

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

    def run(self, seconds: float) -> Round:
        """Send for `seconds`, then verify each line; logd runs before and after."""
        sealed, logged, start = self._names.last_number(), len(self._logd.stderr), time.monotonic()
        codes = self._send(seconds)
        duration = time.monotonic() - start
        wait_until_written(self._logd)
        sent = {load: self._sent(load) for load in self._scene.loads if not codes[load.name]}
        self._link(sealed)
        results = self._verify(sent)
        latency = next(
            (report["latency_us"] for load, report in sent.items() if load.name == LATENCY_LOAD), {}
        )
        return Round(
            scene=self._scene,
            seconds=duration,
            results=results,
            memory=fault_rules.Memory(rss=self._rss, restarts=self._scene.restarts),
            sealed=self._names.last_number() - sealed,
            p99=latency["p99"] / 1e6 if latency else None,
            faults=(
                *(f"{name} failed: {self._errors(name)}" for name, code in codes.items() if code),
                *([f"/healthz failed {self._unhealthy} times"] if self._unhealthy else []),
                *fault_rules.log_faults(self._logd.stderr[logged:], self._scene.expected_warning),
                *(fault for one in results for fault in fault_rules.line_faults(one, self._scene.restarts)),
            ),
        )

    def _send(self, seconds: float) -> dict[str, int]:
        """Run the loads and the scene's event; return the exit codes of the loads."""
        with ExitStack() as stack:
            processes = self._start_all(stack, seconds)
            half = time.monotonic() + seconds / 2
            self._check_until(lambda: time.monotonic() >= half, seconds)
            self._scene.event(self._logd, self._files)
            self._check_until(lambda: all(one.poll() is not None for one in processes.values()), seconds)
        return {name: one.returncode for name, one in processes.items()}

    def _start_all(self, stack: ExitStack, seconds: float) -> dict[str, subprocess.Popen[bytes]]:
        """Start all loads; wait until those that keep their connections are connected."""
        steady = [load for load in self._scene.loads if not load.reconnects]
        before = self._accepted()
        processes = {load.name: self._start(stack, load, seconds) for load in steady}
        expected = before + sum(load.connections for load in steady)
        self._check_until(
            lambda: (
                self._accepted() >= expected or any(process.poll() for process in processes.values())
            ),  # a failed load is reported later
            seconds,
        )
        others = [load for load in self._scene.loads if load.reconnects]
        return processes | {load.name: self._start(stack, load, seconds) for load in others}

    def _start(self, stack: ExitStack, load: Load, seconds: float) -> subprocess.Popen[bytes]:
        command = load.command(self._logd.port, self._runs[load.name], seconds)
        with self._report(load.name).open("wb") as stdout, self._stderr(load.name).open("wb") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        stack.enter_context(process)
        stack.callback(process.kill)  # no effect once it has ended
        return process

    def _check_until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Check logd, at least once, until a condition is true."""
        end = time.monotonic() + seconds + PATIENCE
        self._check_logd()
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"the loads of {seconds:g} s did not end within another {PATIENCE:g} s")
            time.sleep(CHECK_INTERVAL)
            self._check_logd()

    def _check_logd(self) -> None:
        try:
            self._rss = max(self._rss, self._logd.rss())
        except (OSError, IndexError):  # no such process, or only its exit code is left
            pytest.fail(f"logd exited with {self._logd.wait()}")
        self._unhealthy += self._logd.get("/healthz")[0] != 200

    def _accepted(self) -> float:
        return self._logd.metric("nodelog_connections_accepted_total")

    def _link(self, before: int) -> None:
        """Link the log and the files sealed after number `before`, but no torn ends cut off by recovery."""
        while True:
            try:
                for path in [
                    self._logd.log,
                    *(sealed.path for sealed in self._names.sealed_files() if sealed.number > before),
                ]:
                    if ".torn-" not in path.name and not (target := self._files / path.name).exists():
                        os.link(path, target)
            except FileNotFoundError:
                continue  # it was compressed and has another name now
            return

    def _verify(self, sent: dict[Load, dict[str, dict[str, int]]]) -> tuple[fault_rules.LoadResult, ...]:
        """Verify all loads, as many at a time as there are processors."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return tuple(pool.map(self._verify_one, sent, sent.values()))

    def _verify_one(self, load: Load, report: dict[str, dict[str, int]]) -> fault_rules.LoadResult:
        files = map(str, self._files.iterdir())
        command = [str(NODELOG), "verify", "--json", f"--sent={self._report(load.name)}", *files]
        verification = subprocess.run(command, capture_output=True, text=True, check=False)
        if verification.returncode not in (0, 1):
            pytest.fail(f"cannot verify {load.name}: {verification.stderr}")
        verdict = json.loads(verification.stdout)
        lines = sum(report["sent"].values())
        counts = {what: verdict[what] for what in ("lost", "gaps", "doubled", "torn", "reordered", "unknown")}
        return fault_rules.LoadResult(load=load.name, sent=lines, bytes=lines * load.line_size, **counts)

    def _sent(self, load: Load) -> dict[str, dict[str, int]]:
        report: dict[str, dict[str, int]] = json.loads(self._report(load.name).read_text())
        return report

    def _report(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _stderr(self, name: str) -> Path:
        return self._folder / f"{name}.stderr"

    def _errors(self, name: str) -> str:
        return self._stderr(name).read_text().strip()
