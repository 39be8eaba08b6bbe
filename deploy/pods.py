"""The programs that the demo runs, what they print, and what they say at their end."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Final, cast

PROGRAMS: Final = Path(sys.executable).parent
OURS: Final = ("LOGD_", "LOGCD_", "NODEAGENT_", "NODELOG_")
PATIENCE: Final = 90.0
"""Seconds that a program has to start or to end: more than a daemon that was killed often is waited for."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A client that runs, and where what it says of itself goes."""

    name: str
    process: Process
    errors: Path
    printed: asyncio.Task[list[bytes]]
    """All the lines that it sent."""


@asynccontextmanager
async def running(program: str, *options: str, errors: Path) -> AsyncGenerator[Process]:
    """Run a program of this project, for as long as the block lasts at the most."""
    with errors.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            PROGRAMS / program,
            *options,
            stdout=PIPE,
            stderr=file,
            env={key: value for key, value in os.environ.items() if not key.startswith(OURS)},
            start_new_session=True,  # Ctrl-C is for the demo, which ends the others in their order
        )
    try:
        yield process
    finally:
        await end(process)


async def pod(stack: AsyncExitStack, folder: Path, name: str, *options: str) -> Pod:
    """Start a client that greets every second."""
    errors = folder / f"{name}.errors"
    greet = ("greet", "--every=1s", f"--name={name}", *options)
    process = await stack.enter_async_context(running("nodelog", *greet, errors=errors))
    return Pod(name, process, errors, asyncio.create_task(lines_of(process)))


async def end(process: Process) -> None:
    """Ask a program to end, and see that it does."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()


def acknowledged(errors: Path) -> int:
    """Return how many lines logd has acknowledged to a client, as its last words have it."""
    found = re.search(r", (\d+) acknowledged$", last_words(errors))
    return int(found[1]) if found else 0


async def lines_of(client: Process) -> list[bytes]:
    """Return all the lines that a client prints: those that it has sent."""
    output = cast("asyncio.StreamReader", client.stdout)  # it was started with a pipe
    return [line async for line in output]


def last_words(errors: Path) -> str:
    """Return the last line that a program wrote before it ended."""
    return (errors.read_text(errors="replace").splitlines() or ["it says nothing"])[-1]
