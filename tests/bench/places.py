"""Where a system of the comparison is started, and how its program is found."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT = Path(__file__).resolve().parents[2] / "var" / "bench"  # what is unpacked and compiled stays there


class Missing(Exception):  # noqa: N818 (it is what the table says)
    """Why a system cannot be measured here."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a system is started, and for how many connections."""

    folder: Path
    port: int
    http: int
    connections: int

    @property
    def log(self) -> Path:
        """Where its lines go."""
        return self.folder / "log" / "node_log"


def found(program: str, advice: str) -> str:
    """Give the path of a program. Raises Missing."""
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        raise Missing(f"no {program}: {advice}")
    return path


def says(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Give the first line that a command prints."""
    all_of_it = os.environ | (environment or {})
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=all_of_it)
    return next(line for line in done.stdout.splitlines() if line.strip())


def attempt(what: str, *command: str | Path, folder: Path | None = None) -> None:
    """Run a command that a system needs first. Raises Missing."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise Missing(f"{what}: {done.stderr.strip().splitlines()[-1]}")
