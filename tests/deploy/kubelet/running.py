"""A container of a pod from its start to its end, with its probes; and what is told of it afterwards."""

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
from tests.deploy.kubelet.probes import Asking, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.deploy.kubelet.node import Runtime
    from tests.deploy.kubelet.podspec import Container
    from tests.deploy.kubelet.probes import Probe

PATIENCE = 60.0
"""Seconds that a program in a container may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One run of a container, from exec to exit."""

    container: str
    """Its name in the pod."""
    began: float
    """Seconds since 1970, as is the next."""
    ended: float
    asked: float | None
    """When it was told to end, if it was."""
    code: int
    printed: str
    said: str
    """What it wrote on standard error."""

    def records(self, containing: str = "") -> list[dict[str, Any]]:
        """Give the records of a daemon's log with this text in them."""
        found = [json.loads(line) for line in self.said.splitlines() if line.startswith("{")]
        return [record for record in found if containing in record["message"]]


class Running:
    """A container that was started, until it is removed."""

    def __init__(self, container: Container, number: str, address: str, runtime: Runtime) -> None:
        """Begin to probe it; `number` is the engine's, `address` that of its pod."""
        self.number = number
        self._name = container.name
        self._deaths = runtime.deaths
        self._probes = ExitStack()
        one = partial(self._asking, partial(ask, container=container, address=address, number=number))
        self._liveness = one(container.liveness, good=True, haste=runtime.haste)
        self._readiness = one(container.readiness, good=False, haste=runtime.haste)

    @property
    def has_ended(self) -> bool:
        """Whether its program is gone."""
        return self._deaths.code(self.number) is not None

    @property
    def is_alive(self) -> bool:
        """What its liveness probe says."""
        return not self._liveness or self._liveness.is_good

    @property
    def is_ready(self) -> bool:
        """What its readiness probe says."""
        return not self._readiness or self._readiness.is_good

    @property
    def began(self) -> float:
        """When it was started, seconds since 1970."""
        return _moment(docker("inspect", "--format={{.State.StartedAt}}", self.number))

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it."""
        return subprocess.run(
            ["docker", "exec", self.number, *command],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def output(self) -> tuple[str, str]:
        """Give what it printed, and what it wrote on standard error."""
        run = subprocess.run(["docker", "logs", self.number], capture_output=True, text=True, check=True)
        return run.stdout, run.stderr

    def stop(self, grace: float) -> Life:
        """End it within so many seconds, remove it, and tell of it."""
        self.leave_alone()
        asked = time.time()
        docker("stop", f"--time={grace:.0f}", self.number, timeout=grace + 60)
        found = self.life(asked)
        self.remove()
        return found

    def leave_alone(self) -> None:
        """Probe it no more."""
        self._probes.close()

    def remove(self) -> None:
        """Leave nothing of it."""
        self.leave_alone()
        docker("rm", "--force", self.number)

    def life(self, asked: float | None = None) -> Life:
        """Tell of it once it has ended."""
        state = json.loads(docker("inspect", "--format={{json .State}}", self.number))
        printed, said = self.output()
        return Life(
            container=self._name,
            began=_moment(state["StartedAt"]),
            ended=_moment(state["FinishedAt"]),
            asked=asked,
            code=state["ExitCode"],
            printed=printed,
            said=said,
        )

    def _asking(
        self, ask: Callable[[Probe], bool], probe: Probe | None, *, good: bool, haste: float
    ) -> Asking | None:
        return self._probes.enter_context(Asking(probe, ask, good=good, haste=haste)) if probe else None


def start(options: Sequence[str], image: str, arguments: Sequence[str]) -> str:
    """Start a container; give its number."""
    return docker("run", "--detach", "--pull=never", *options, image, *arguments)


def address(number: str) -> str:
    """Give the address of a container in its network."""
    return docker("inspect", "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", number)


def kill(numbers: Sequence[str]) -> None:
    """Have containers end at once, those that run."""
    if numbers:
        subprocess.run(["docker", "kill", *numbers], capture_output=True, check=False)


def _moment(text: str) -> float:
    whole, _, part = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{part or 0}")
