"""A container of a pod from its start to its end, with its probes; and a record of its run afterwards."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.deploy.docker import docker
from tests.deploy.kubelet.probes import Prober, run_probe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.deploy.kubelet.node import Runtime
    from tests.deploy.kubelet.podspec import Container
    from tests.deploy.kubelet.probes import Probe

EXEC_TIMEOUT = 60.0
"""Seconds for a program run in a container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRun:
    """One run of a container, from exec to exit. Times are seconds since the epoch."""

    container: str
    """Its name in the pod."""
    started: float
    ended: float
    stopped_at: float | None
    """When it was told to end, if it was."""
    exit_code: int
    stdout: str
    stderr: str

    def records(self, containing: str = "") -> list[dict[str, Any]]:
        """Return the records of a daemon's log whose message contains the text."""
        found = [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{")]
        return [record for record in found if containing in record["message"]]


class RunningContainer:
    """A container that was started, until it is removed."""

    def __init__(self, container: Container, container_id: str, address: str, runtime: Runtime) -> None:
        """Start its probes; `address` is that of its pod."""
        self.id = container_id
        self._name = container.name
        self._exits = runtime.exits
        self._probes = ExitStack()
        check = partial(run_probe, container=container, address=address, container_id=container_id)
        start = partial(self._start_prober, check, speedup=runtime.speedup)
        self._liveness = start(container.liveness, initial=True)
        self._readiness = start(container.readiness, initial=False)

    @property
    def has_ended(self) -> bool:
        """Whether its program has ended."""
        return self._exits.exit_code(self.id) is not None

    @property
    def is_alive(self) -> bool:
        """Whether its liveness probe passes, if it has one."""
        return not self._liveness or self._liveness.is_passing

    @property
    def is_ready(self) -> bool:
        """Whether its readiness probe passes, if it has one."""
        return not self._readiness or self._readiness.is_passing

    @property
    def started(self) -> float:
        """When it was started, in seconds since the epoch."""
        return _timestamp(docker("inspect", "--format={{.State.StartedAt}}", self.id))

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it."""
        return subprocess.run(
            ["docker", "exec", self.id, *command],
            capture_output=True,
            text=True,
            timeout=EXEC_TIMEOUT,
            check=False,
        )

    def output(self) -> tuple[str, str]:
        """Return its stdout and stderr."""
        run = subprocess.run(["docker", "logs", self.id], capture_output=True, text=True, check=True)
        return run.stdout, run.stderr

    def stop(self, grace: float) -> ContainerRun:
        """Stop it within `grace` seconds, remove it, and return the record of its run."""
        self.stop_probes()
        stopped_at = time.time()
        docker("stop", f"--time={grace:.0f}", self.id, timeout=grace + 60)
        found = self.describe_run(stopped_at)
        self.remove()
        return found

    def stop_probes(self) -> None:
        """Stop probing it."""
        self._probes.close()

    def remove(self) -> None:
        """Remove it, and kill it if it still runs."""
        self.stop_probes()
        docker("rm", "--force", self.id)

    def describe_run(self, stopped_at: float | None = None) -> ContainerRun:
        """Return the record of its run; it must have ended."""
        state = json.loads(docker("inspect", "--format={{json .State}}", self.id))
        stdout, stderr = self.output()
        return ContainerRun(
            container=self._name,
            started=_timestamp(state["StartedAt"]),
            ended=_timestamp(state["FinishedAt"]),
            stopped_at=stopped_at,
            exit_code=state["ExitCode"],
            stdout=stdout,
            stderr=stderr,
        )

    def _start_prober(
        self, check: Callable[[Probe], bool], probe: Probe | None, *, initial: bool, speedup: float
    ) -> Prober | None:
        if not probe:
            return None
        return self._probes.enter_context(Prober(probe, check, initial=initial, speedup=speedup))


def start_container(options: Sequence[str], image: str, arguments: Sequence[str]) -> str:
    """Start a container and return its ID."""
    return docker("run", "--detach", "--pull=never", *options, image, *arguments)


def container_address(container_id: str) -> str:
    """Return the address of a container in its network."""
    return docker(
        "inspect", "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container_id
    )


def kill_containers(container_ids: Sequence[str]) -> None:
    """Kill the containers that run."""
    if container_ids:
        subprocess.run(["docker", "kill", *container_ids], capture_output=True, check=False)


def _timestamp(text: str) -> float:
    seconds, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}+00:00").timestamp() + float(f"0.{fraction or 0}")
