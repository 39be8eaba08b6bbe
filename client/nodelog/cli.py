"""The command `nodelog`: what it can do, with its options and its environment, read here and nowhere else.

Every option is also a variable NODELOG_..., so that a pod's manifest needs no command line; beside these only
what Kubernetes people set anyway: HOST_IP (the node's address) and HOSTNAME (the pod's name).
"""

import argparse
import os
import re
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, TypeVar

from nodelog import __version__, units
from nodelog.greet import Settings, greet, say

_T = TypeVar("_T")

_SHORTEST = units.duration("1ms")
_LONGEST = units.duration("365d")

_NO_HOST = (
    "no collector to send to: the variable HOST_IP is missing; add to the container in the pod's manifest: "
    "env: [{name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}], or give --host"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; return its exit code."""
    given = _parser(os.environ).parse_args(arguments)
    try:
        return _greet(given)
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _greet(given: argparse.Namespace) -> int:
    if not given.host:
        say(_NO_HOST)
        return 2
    sent = greet(
        Settings(host=given.host, port=given.port, name=given.name, every=given.every, count=given.count),
    )
    say(f"{sent} lines sent to {given.host} port {given.port}")
    return 0


class _Parser(argparse.ArgumentParser):
    """One line for a wrong value instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _parser(env: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="nodelog", description="Send lines to the log collector of this node.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"nodelog {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    about = (
        "the sample pod: a line with the date and a greeting every few seconds, each also on standard output"
    )
    command = commands.add_parser("greet", help=about, description=about, allow_abbrev=False)

    def option(name: str, parse: Callable[[str], object], default: str | None, about: str) -> None:
        variable = f"NODELOG_{name.upper()}"
        command.add_argument(
            f"--{name}",
            type=_telling(parse, variable),
            default=env.get(variable) or default,
            metavar=name.upper(),
            help=f"{about} [{variable}]",
        )

    option("host", _host, env.get("HOST_IP"), "address of the collector (default: the variable HOST_IP)")
    option("port", _whole("a port", 1, 65535), "6666", "TCP port of the collector (default 6666)")
    option(
        "name", _name, env.get("HOSTNAME") or socket.gethostname(), "who greets (default: the host's name)"
    )
    option("every", _pause, "15s", "time from one line to the next, such as 500ms or 15s (default 15s)")
    option("count", _whole("a number of lines", 0, 10**12), None, "end after so many lines (default: never)")
    return parser


def _telling(parse: Callable[[str], _T], variable: str) -> Callable[[str], _T]:
    """Keep what `parse` says about a wrong value: argparse forgets the text of a ValueError."""

    def parsed(text: str) -> _T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error} (option or variable {variable})") from None

    return parsed


def _whole(what: str, least: int, most: int) -> Callable[[str], int]:
    def parsed(text: str) -> int:
        # ASCII and short: int() would also take other scripts' digits, underscores, and a million digits.
        if not re.fullmatch("[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise ValueError(f"{text!r} is not {what}, {least} to {most}")
        return int(text)

    return parsed


def _host(text: str) -> str:
    try:
        text.encode("idna")  # what the resolver will do with it, where nobody expects this error
    except UnicodeError:
        raise ValueError(f"{text!r} is not an address or a host's name") from None
    return text


def _name(text: str) -> str:
    if not text or "\n" in text:
        raise ValueError(f"{text!r} is not a name: it must not be empty and must fit into a line")
    return text


def _pause(text: str) -> float:
    seconds = units.duration(text)
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ValueError(f"{text!r} is not a time from 1ms to 365d")
    return seconds
