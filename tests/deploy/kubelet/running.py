"""A container of a pod that runs or has run."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.deploy.docker import docker

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def start(options: Sequence[str], image: str, arguments: Sequence[str]) -> str:
    """Start a container; give its number."""
    return docker("run", "--detach", "--pull=never", *options, image, *arguments)


def execute(container: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a container."""
    return subprocess.run(
        ["docker", "exec", container, *command],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def output(container: str) -> tuple[str, str]:
    """Give what it printed, and what it wrote on standard error."""
    run = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True)
    return run.stdout, run.stderr


def life(name: str, container: str, asked: float | None) -> Life:
    """Tell of a container that has ended."""
    state = json.loads(docker("inspect", "--format={{json .State}}", container))
    printed, said = output(container)
    return Life(
        container=name,
        began=_moment(state["StartedAt"]),
        ended=_moment(state["FinishedAt"]),
        asked=asked,
        code=state["ExitCode"],
        printed=printed,
        said=said,
    )


def began(container: str) -> float:
    """Say when a container was started, seconds since 1970."""
    return _moment(docker("inspect", "--format={{.State.StartedAt}}", container))


def _moment(text: str) -> float:
    whole, _, part = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{part or 0}")
