"""Starts `nodelog run` processes with small Python programs and shells as their commands."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import Popen

from tests.waiting import wait_for

Run = Callable[..., Popen[bytes]]


def run_command(run: Run, port: int, *options: str, command: Sequence[str], **streams: int) -> Popen[bytes]:
    return run("run", "--host=127.0.0.1", f"--port={port}", *options, "--", *command, **streams)


def python(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", program, *arguments]


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def result_of(process: Popen[bytes], data: bytes | None = None) -> tuple[int, bytes, bytes]:
    out, err = process.communicate(data, timeout=60)
    return process.returncode, out, err


def children_of(pid: int) -> list[int]:
    """Return the process IDs of its children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def child_of(process: Popen[bytes]) -> int:
    """Wait until a process has a child; return its process ID."""
    wait_for(lambda: children_of(process.pid), "it has a child")
    return children_of(process.pid)[0]
