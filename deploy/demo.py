"""A node with its collector and seven pods, on this machine: what `make demo` runs.

Shows the lines as they arrive in the file, ends everything and proves that each line which the clients sent
was acknowledged and is in the file, once.
"""

import argparse
import asyncio
import http.client
import math
import os
import re
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import IO, Final, cast

from nodelog import units

HOST: Final = "127.0.0.1"
CLIENTS: Final = 7
PROGRAMS: Final = Path(sys.executable).parent
VAR: Final = Path(__file__).resolve().parent.parent / "var"
RIGHT: Final = "every line sent is acknowledged and in the file, once"
WRONG: Final = "FAILED: what was sent is not what was acknowledged and written"
LOOK_EVERY: Final = 0.05
PATIENCE: Final = 30.0
"""Seconds that a program has to start or to end: more than logd's own --grace."""


class DemoError(Exception):
    """What keeps the demo from going on, in one line."""


async def demo(port: int, seconds: float, var: Path) -> bool:
    """Run for so many seconds or until a signal; return whether every line sent is in the file, once."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    refuse_taken(port)
    folder = var / time.strftime(f"demo-%Y%m%dT%H%M%S-{os.getpid()}")
    folder.mkdir(parents=True)
    log = folder / "node_log"
    async with AsyncExitStack() as stack:  # whatever happens, nothing that was started is left behind
        logd = await stack.enter_async_context(
            running(
                "logd",
                f"--listen={HOST}:{port}",
                f"--log={log}",
                f"--http={HOST}:0",
                errors=folder / "logd.errors",
            )
        )
        await ready(logd, folder / "logd.errors", stop)
        greet = ("greet", f"--host={HOST}", f"--port={port}", "--every=1s")
        errors = {f"client-{number}": folder / f"client-{number}.errors" for number in range(1, CLIENTS + 1)}
        clients = [
            await stack.enter_async_context(running("nodelog", *greet, f"--name={name}", errors=file))
            for name, file in errors.items()
        ]
        sent = [asyncio.create_task(lines_of(client)) for client in clients]
        tell(f"{CLIENTS} clients greet logd at port {port}; join them: echo hello | nc -q 1 {HOST} {port}")
        with log.open("rb") as file:
            await show(file, [logd, *clients], stop, seconds)
            await asyncio.gather(*map(end, clients))
            await end(logd)
            copy(file)
        if logd.returncode:
            tell(f"logd ended with {logd.returncode}: {last_words(folder / 'logd.errors')}")
            return False
        acked = sum(map(acknowledged, errors.values()))
        return report([line for task in sent for line in await task], acked, log)


def refuse_taken(port: int) -> None:
    """Raise a DemoError if nobody can listen at `port`; logd would say so too, but not what to type."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DemoError(
                f"port {port} cannot be had: {error.strerror}; take another one: make demo PORT={port + 1}"
            ) from None


@asynccontextmanager
async def running(program: str, *options: str, errors: Path) -> AsyncGenerator[Process]:
    """Run a program of this project, for as long as the block lasts at the most."""
    with errors.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            PROGRAMS / program,
            *options,
            stdout=PIPE,
            stderr=file,
            env={
                key: value for key, value in os.environ.items() if not key.startswith(("LOGD_", "NODELOG_"))
            },
            start_new_session=True,  # Ctrl-C is for the demo, which ends the others in their order
        )
    try:
        yield process
    finally:
        await end(process)


async def end(process: Process) -> None:
    """Ask a program to end, and see that it does."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()


async def ready(logd: Process, errors: Path, stop: asyncio.Event) -> None:
    """Wait until logd says that it is ready, at the port of its reports, which its log names."""
    end_of_patience = time.monotonic() + PATIENCE
    while time.monotonic() < end_of_patience and logd.returncode is None:
        if stop.is_set():
            raise DemoError("told to stop before it began")
        said = re.search(rf'"http": \["{re.escape(HOST)}:(\d+)"', errors.read_text())
        if said is not None:
            is_ready: bool = await asyncio.to_thread(says_ok, int(said[1]), "/readyz")
            if is_ready:
                return
        await asyncio.sleep(LOOK_EVERY)
    raise DemoError(f"logd does not start; {last_words(errors)}")


def says_ok(port: int, path: str) -> bool:
    """Ask logd for one of its reports; return whether it answers 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def acknowledged(errors: Path) -> int:
    """Return how many lines logd has acknowledged to a client, as its last words have it."""
    found = re.search(r", (\d+) acknowledged$", last_words(errors))
    return int(found[1]) if found else 0


async def lines_of(client: Process) -> list[bytes]:
    """Return all the lines that a client prints: those that it has sent."""
    output = cast("asyncio.StreamReader", client.stdout)  # it was started with a pipe
    return [line async for line in output]


async def show(file: IO[bytes], programs: list[Process], stop: asyncio.Event, seconds: float) -> None:
    """Print what arrives in the file until it is time to end."""
    until = time.monotonic() + seconds
    while not stop.is_set() and time.monotonic() < until:
        copy(file)
        if any(program.returncode is not None for program in programs):
            raise DemoError(
                f"a program ended by itself; what it said is in {os.path.relpath(Path(file.name).parent)}"
            )
        await asyncio.sleep(LOOK_EVERY)


def copy(file: IO[bytes]) -> None:
    """Print what is new in the file, at once, even where nobody has a terminal."""
    sys.stdout.buffer.write(file.read())
    sys.stdout.buffer.flush()


def compare(sent: Iterable[bytes], written: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return which of the lines sent are missing in the file, and which are in it too often.

    A line that nobody here sent is somebody else's, who was asked to join.
    """
    wanted, found = Counter(sent), Counter(written)
    doubled = Counter({line: found[line] - times for line, times in wanted.items()})
    return list((wanted - found).elements()), list(doubled.elements())


def report(sent: list[bytes], acked: int, log: Path) -> bool:
    """Say what was sent, acknowledged and written, and whether that is as it should be."""
    with log.open("rb") as file:
        written = list(file)
    missing, doubled = compare(sent, written)
    tell("")
    tell(f"sent      {len(sent)} lines, {sum(map(len, sent))} bytes, by {CLIENTS} clients")
    tell(f"acked     {acked} lines, by logd")
    tell(f"written   {len(written)} lines, {sum(map(len, written))} bytes, in {os.path.relpath(log)}")
    for fault, lines in (("missing", missing), ("doubled", doubled)):
        for line in lines:
            tell(f"{fault}   {line.decode(errors='replace').rstrip()}")
    right = bool(sent) and acked == len(sent) and not missing and not doubled
    tell(RIGHT if right else WRONG)
    return right


def tell(text: str) -> None:
    """Print at once, in order with the lines."""
    print(text, flush=True)


def last_words(errors: Path) -> str:
    """Return the last line that a program wrote before it ended."""
    return (errors.read_text(errors="replace").splitlines() or ["it says nothing"])[-1]


def port_number(text: str) -> int:
    """Parse PORT=."""
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) < 1 << 16:
        raise DemoError(f"PORT={text} is not a port, 1 to 65535")
    return int(text)


def time_to_run(text: str) -> float:
    """Parse FOR=."""
    try:
        return units.duration(text)
    except ValueError as error:
        raise DemoError(f"FOR: {error}") from None


def main() -> int:
    """Return 0 if the demo showed what it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", default="6666", help="where logd listens on this machine")
    parser.add_argument("--for", dest="time", help="how long to run, such as 10s (default: until Ctrl-C)")
    parser.add_argument("--var", type=Path, default=VAR, help="where each demo makes its folder")
    given = parser.parse_args()
    try:
        seconds = time_to_run(given.time) if given.time else math.inf
        return 0 if asyncio.run(demo(port_number(given.port), seconds, given.var)) else 1
    except BrokenPipeError:  # whoever looked on has left; the interpreter's own flush must not complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (DemoError, OSError) as error:
        print(f"make demo: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
