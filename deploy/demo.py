"""What `make demo` runs: a node on this machine, with both supervised daemons and fourteen clients.

Seven clients send greetings over TCP, seven append to files of their own. The demo prints the lines as they
arrive, stops everything, and proves that each line is where it belongs, once: in the collector's log, and in
the archive. Kill any of the daemons meanwhile with `kill -9`: nothing is lost.
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

from deploy.demo_archive import wait_for_archive
from deploy.demo_clients import (
    TIMEOUT,
    acknowledged_lines,
    last_message,
    running,
    start_client,
    stop,
)
from deploy.demo_report import FAILURE, SUCCESS, print_now, report, report_files

from nodelog import quantities

HOST: Final = "127.0.0.1"
CLIENTS: Final = 7
"""Of each kind."""
VAR: Final = Path(__file__).resolve().parent.parent / "var"
POLL_INTERVAL: Final = 0.05
CYCLE: Final = 1
"""Seconds from one archive to the next."""

CONFIG: Final = """\
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
    """The demo cannot go on; the text is one line that says why."""


async def demo(port: int, seconds: float, var: Path) -> bool:
    """Run for `seconds` or until a signal; return whether every line is where it belongs, once."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    check_port_is_free(port)
    folder = var / time.strftime(f"demo-%Y%m%dT%H%M%S-{os.getpid()}")
    (folder / "log").mkdir(parents=True)
    logd, logcd, pages = free_ports(3)
    text = CONFIG.format(
        host=HOST, port=port, folder=folder, cycle=CYCLE, logd=logd, logcd=logcd, agent=pages
    )
    (folder / "nodelog.toml").write_text(text)
    async with AsyncExitStack() as stack:  # nothing that was started is left behind, whatever happens
        errors = folder / "nodeagent.errors"
        run = ("run", f"--config={folder / 'nodelog.toml'}")
        agent = await stack.enter_async_context(running("nodeagent", *run, errors=errors))
        await wait_until_ready(agent, pages, errors, stopping)
        over_tcp = ("--to=tcp", f"--host={HOST}", f"--port={port}", f"--timeout={TIMEOUT / 2:g}s")
        tcp = [await start_client(stack, folder, f"client-{n}", *over_tcp) for n in client_numbers()]
        files = [
            await start_client(stack, folder, name, "--to=file", f"--file={folder}/log/{name}.log")
            for name in (f"client2-{n}" for n in client_numbers())
        ]
        print_now(
            f"{CLIENTS} clients greet logd at port {port}; join them: echo hello | nc -q 1 {HOST} {port}"
        )
        print_now(
            f"{CLIENTS} more append to files in {os.path.relpath(folder / 'log')}, which logcd archives"
        )
        print_now(f"kill any of these, nothing is lost: {' '.join(kill_commands(pages))}")
        with (folder / "node_log").open("rb") as file:
            await follow(file, [agent, *(client.process for client in (*tcp, *files))], stopping, seconds)
            await asyncio.gather(*(stop(client.process) for client in (*tcp, *files)))
            archived = await wait_for_archive(folder / "log")
            ends = describe_ends(pages)
            await stop(agent)
            copy_new(file)
        if agent.returncode:
            print_now(f"nodeagent ended with {agent.returncode}: {last_message(errors)}")
            return False
        acknowledged = sum(acknowledged_lines(client.errors) for client in tcp)
        sent = [line for client in tcp for line in await client.printed]
        is_ok = report(sent, acknowledged, folder / "node_log")
        is_ok &= report_files({client.name: await client.printed for client in files}, archived)
        print_now(ends)
        print_now(SUCCESS if is_ok else FAILURE)
        return is_ok


def client_numbers() -> Iterable[int]:
    """Return the numbers of the clients of one kind."""
    return range(1, CLIENTS + 1)


def check_port_is_free(port: int) -> None:
    """Raise DemoError if `port` is taken; logd would report it too, but not what to type."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DemoError(
                f"port {port} cannot be used: {error.strerror}; take another one: make demo PORT={port + 1}"
            ) from None


def free_ports(count: int) -> list[int]:
    """Return ports that are free now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


async def wait_until_ready(agent: Process, pages: int, errors: Path, stopping: asyncio.Event) -> None:
    """Wait until the agent and its children are ready."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline and agent.returncode is None:
        if stopping.is_set():
            raise DemoError("stopped before it began")
        if (await asyncio.to_thread(get_page, pages, "/readyz"))[0] == http.client.OK:
            return
        await asyncio.sleep(POLL_INTERVAL)
    raise DemoError(f"nodeagent does not start; {last_message(errors)}")


def get_page(port: int, path: str) -> tuple[int, Any]:
    """Return the status and the content of a page of the agent; status 0 without an answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.load(answer)
    except OSError:
        return 0, {}
    finally:
        connection.close()


def kill_commands(pages: int) -> list[str]:
    """Return the commands that kill each of the daemons."""
    found = get_page(pages, "/status")[1].get("children", {})
    return [f"kill -9 {child['process']} ({name})" for name, child in found.items()]


def describe_ends(pages: int) -> str:
    """Return a line that says how often each daemon ended and was started again."""
    found = get_page(pages, "/status")[1].get("children", {})
    return "ended     " + ", ".join(f"{name} {child['ends']} times" for name, child in found.items())


async def follow(file: IO[bytes], programs: list[Process], stopping: asyncio.Event, seconds: float) -> None:
    """Print what arrives in the file until `seconds` after the first line, or until `stopping` is set."""
    deadline = math.inf
    while not stopping.is_set() and time.monotonic() < deadline:
        if copy_new(file):
            deadline = min(deadline, time.monotonic() + seconds)
        if any(program.returncode is not None for program in programs):
            raise DemoError(
                f"a program ended unexpectedly; its messages are in {os.path.relpath(Path(file.name).parent)}"
            )
        await asyncio.sleep(POLL_INTERVAL)


def copy_new(file: IO[bytes]) -> int:
    """Print what is new in the file, unbuffered even without a terminal; return the number of bytes."""
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
    """Run the demo; return 0 if it succeeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", default="6666", help="where logd listens on this machine")
    parser.add_argument(
        "--for", dest="time", help="how long to run once lines come, such as 10s (default: until Ctrl-C)"
    )
    parser.add_argument("--var", type=Path, default=VAR, help="where each demo creates its folder")
    arguments = parser.parse_args()
    try:
        seconds = time_to_run(arguments.time) if arguments.time else math.inf
        return 0 if asyncio.run(demo(port_number(arguments.port), seconds, arguments.var)) else 1
    except BrokenPipeError:  # the reader has left; the interpreter's own flush must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (DemoError, OSError) as error:
        print(f"make demo: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
