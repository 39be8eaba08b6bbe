"""Where a measured program runs, how it is found, and why a run may have no figures."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CACHE = Path(__file__).resolve().parents[2] / "var" / "bench"  # unpacked and compiled programs are kept there
NODELOG = str(Path(sys.executable).with_name("nodelog"))


class Unavailable(Exception):  # noqa: N818 (it is a reason, not a fault)
    """A program cannot be measured here; the message says why."""


class RunFailed(Exception):  # noqa: N818 (it names what happened)
    """A run has no figures; the message says why."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder and the ports of a run, and the number of its connections."""

    folder: Path
    port: int
    http: int
    connections: int

    @property
    def log(self) -> Path:
        """The file that the lines are written to."""
        return self.folder / "log" / "node_log"


def find_program(program: str, advice: str) -> str:
    """Return the path of a program, or raise Unavailable with `advice`."""
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        raise Unavailable(f"no {program}: {advice}")
    return path


def version_line(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the first non-empty line that a command prints, such as `tar --version`."""
    env = os.environ | (environment or {})
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return next(line for line in done.stdout.splitlines() if line.strip())


def run_setup(error: str, *command: str | Path, folder: Path | None = None) -> None:
    """Run a command that a measurement depends on; raise Unavailable with `error` if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise Unavailable(f"{error}: {done.stderr.strip().splitlines()[-1]}")


@cache
def compiled(name: str) -> str:
    """Compile a C program of the benchmark of collectors and return its path. Raises Unavailable."""
    source, program = Path(__file__).parent / "collectors" / f"{name}.c", CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    compiler = find_program("cc", "apt-get install gcc libc6-dev")
    run_setup(f"cannot compile {name}.c", compiler, "-O2", "-pthread", "-o", program, source)
    return str(program)
