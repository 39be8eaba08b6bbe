"""A node on this machine, what `make demo` runs: both daemons, kept alive, and fourteen pods.

Seven pods send greetings over TCP, seven append to files of their own. Shows the lines as they arrive, ends
everything and proves that each line is where it belongs, once: in the collector's log, and in the archive.
Kill any of the daemons meanwhile with `kill -9`: nothing is lost.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import math
import os
import re
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import IO, Any, Final

from deploy.archived import archive_of
from deploy.pods import PATIENCE, Pod, acknowledged, end, last_words, pod, running
from deploy.verdict import RIGHT, WRONG, report, report_files, tell

from nodelog import quantities

HOST: Final = "127.0.0.1"
CLIENTS: Final = 7
"""Of each kind."""
VAR: Final = Path(__file__).resolve().parent.parent / "var"
LOOK_EVERY: Final = 0.05
CYCLE: Final = 1
"""Seconds from one archive to the next."""

NODE: Final = """\
[logd]
listen = "{host}:{port}"
log = "{folder}/node_log"
http = "{host}:{logd}"

[logcd]
dir = "{folder}/log"
every = "{cycle}s"
http = "{host}:{logcd}"

[nodeagent]
http = "{host}:{agent}"
"""


class DemoError(Exception):
    """What keeps the demo from going on, in one line."""


async def demo(port: int, seconds: float, var: Path) -> bool:
    """Run for so many seconds or until a signal; return whether every line is where it belongs, once."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    refuse_taken(port)
    folder = var / time.strftime(f"demo-%Y%m%dT%H%M%S-{os.getpid()}")
    (folder / "log").mkdir(parents=True)
    logd, logcd, pages = free_ports(3)
    text = NODE.format(host=HOST, port=port, folder=folder, cycle=CYCLE, logd=logd, logcd=logcd, agent=pages)
    (folder / "nodelog.toml").write_text(text)
    async with AsyncExitStack() as stack:  # whatever happens, nothing that was started is left behind
        errors = folder / "nodeagent.errors"
        run = ("run", f"--config={folder / 'nodelog.toml'}")
        agent = await stack.enter_async_context(running("nodeagent", *run, errors=errors))
        await ready(agent, pages, errors, stop)
        over_tcp = ("--to=tcp", f"--host={HOST}", f"--port={port}", f"--timeout={PATIENCE / 2:g}s")
        tcp = [await pod(stack, folder, f"client-{n}", *over_tcp) for n in numbers()]
        names = [f"client2-{n}" for n in numbers()]
        files = [await pod(stack, folder, n, "--to=file", f"--file={folder}/log/{n}.log") for n in names]
        tell(f"{CLIENTS} clients greet logd at port {port}; join them: echo hello | nc -q 1 {HOST} {port}")
        tell(f"{CLIENTS} more append to files in {os.path.relpath(folder / 'log')}, which logcd archives")
        tell(f"kill any of these, nothing is lost: {' '.join(children(pages))}")
        with (folder / "node_log").open("rb") as file:
            await show(file, agent, [*tcp, *files], stop, seconds)
            await asyncio.gather(*(end(each.process) for each in (*tcp, *files)))
            archived = await archive_of(folder / "log")
            ends = told_ends(pages)
            await end(agent)
            copy(file)
        if agent.returncode:
            tell(f"nodeagent ended with {agent.returncode}: {last_words(errors)}")
            return False
        acked = sum(acknowledged(each.errors) for each in tcp)
        sent = [line for each in tcp for line in await each.printed]
        is_right = report(sent, acked, folder / "node_log")
        is_right &= report_files({each.name: await each.printed for each in files}, archived)
        tell(ends)
        tell(RIGHT if is_right else WRONG)
        return is_right


def numbers() -> Iterable[int]:
    """Give the numbers of the clients of one kind."""
    return range(1, CLIENTS + 1)


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


def free_ports(count: int) -> list[int]:
    """Give ports where nobody listens now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


async def ready(agent: Process, pages: int, errors: Path, stop: asyncio.Event) -> None:
    """Wait until the agent says that it and its children are ready."""
    end_of_patience = time.monotonic() + PATIENCE
    while time.monotonic() < end_of_patience and agent.returncode is None:
        if stop.is_set():
            raise DemoError("told to stop before it began")
        if (await asyncio.to_thread(page, pages, "/readyz"))[0] == http.client.OK:
            return
        await asyncio.sleep(LOOK_EVERY)
    raise DemoError(f"nodeagent does not start; {last_words(errors)}")


def page(port: int, path: str) -> tuple[int, Any]:
    """Ask the agent for a page; give its status, 0 if there is no answer, and its content."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.load(answer)
    except OSError:
        return 0, {}
    finally:
        connection.close()


def children(pages: int) -> list[str]:
    """Give how to kill each of the daemons."""
    found = page(pages, "/status")[1].get("children", {})
    return [f"kill -9 {child['process']} ({name})" for name, child in found.items()]


def told_ends(pages: int) -> str:
    """Say how often the daemons ended and were started again."""
    found = page(pages, "/status")[1].get("children", {})
    return "ended     " + ", ".join(f"{name} {child['ends']} times" for name, child in found.items())


async def show(file: IO[bytes], agent: Process, pods: list[Pod], stop: asyncio.Event, seconds: float) -> None:
    """Print what arrives in the file, for so many seconds from the first line on, or until told to stop."""
    until = math.inf
    programs = [agent, *(each.process for each in pods)]
    while not stop.is_set() and time.monotonic() < until:
        if copy(file):
            until = min(until, time.monotonic() + seconds)
        if any(program.returncode is not None for program in programs):
            raise DemoError(
                f"a program ended by itself; what it said is in {os.path.relpath(Path(file.name).parent)}"
            )
        await asyncio.sleep(LOOK_EVERY)


def copy(file: IO[bytes]) -> int:
    """Print what is new in the file, at once, even where nobody has a terminal; give how many bytes it is."""
    written = sys.stdout.buffer.write(file.read())
    sys.stdout.buffer.flush()
    return written


def port_number(text: str) -> int:
    """Parse PORT=."""
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) < 1 << 16:
        raise DemoError(f"PORT={text} is not a port, 1 to 65535")
    return int(text)


def time_to_run(text: str) -> float:
    """Parse FOR=."""
    try:
        return quantities.parse_duration(text)
    except ValueError as error:
        raise DemoError(f"FOR: {error}") from None


def main() -> int:
    """Return 0 if the demo showed what it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", default="6666", help="where logd listens on this machine")
    parser.add_argument(
        "--for", dest="time", help="how long to run once lines come, such as 10s (default: until Ctrl-C)"
    )
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
