"""The programs that the demo runs: what they print, and their last message."""

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
PREFIXES: Final = ("LOGD_", "LOGCD_", "NODEAGENT_", "NODELOG_")
"""Of our environment variables, which must not reach the programs."""
TIMEOUT: Final = 90.0
"""Seconds for a program to start or to end: more than the restart delay of a daemon that was killed often."""


@dataclass(frozen=True, slots=True)
class Client:
    """A running client, the file with its stderr, and the lines it prints."""

    name: str
    process: Process
    errors: Path
    printed: asyncio.Task[list[bytes]]
    """All the lines that it sent."""


@asynccontextmanager
async def running(program: str, *options: str, errors: Path) -> AsyncGenerator[Process]:
    """Run a program of this project while the block runs."""
    with errors.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            PROGRAMS / program,
            *options,
            stdout=PIPE,
            stderr=file,
            env={key: value for key, value in os.environ.items() if not key.startswith(PREFIXES)},
            start_new_session=True,  # Ctrl-C reaches the demo alone, which stops the others in order
        )
    try:
        yield process
    finally:
        await stop(process)


async def start_client(stack: AsyncExitStack, folder: Path, name: str, *options: str) -> Client:
    """Start a client that greets every second."""
    errors = folder / f"{name}.errors"
    greet = ("greet", "--every=1s", f"--name={name}", *options)
    process = await stack.enter_async_context(running("nodelog", *greet, errors=errors))
    return Client(name, process, errors, asyncio.create_task(read_lines(process)))


async def stop(process: Process) -> None:
    """Send SIGTERM if the program runs, and SIGKILL if it has not ended after TIMEOUT seconds."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), TIMEOUT)
    except TimeoutError:
        process.kill()
        await process.wait()


def acknowledged_lines(errors: Path) -> int:
    """Return how many lines logd acknowledged to a client, according to its last message."""
    found = re.search(r", (\d+) acknowledged$", last_message(errors))
    return int(found[1]) if found else 0


async def read_lines(client: Process) -> list[bytes]:
    """Return all the lines that a client prints, which are those it has sent."""
    output = cast("asyncio.StreamReader", client.stdout)  # it was started with a pipe
    return [line async for line in output]


def last_message(errors: Path) -> str:
    """Return the last line that a program wrote to stderr before it ended."""
    return (errors.read_text(errors="replace").splitlines() or ["it wrote nothing"])[-1]
