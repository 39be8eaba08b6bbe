"""The command `nodelog`: what it can do, with its options and its environment, read here and nowhere else.

Every option is also a variable NODELOG_..., so that a pod's manifest needs no command line; beside these only
what Kubernetes people set anyway: HOST_IP (the node's address) and HOSTNAME (the pod's name).
"""

import argparse
import os
import socket
import sys
from collections.abc import Mapping, Sequence

from nodelog import __version__
from nodelog.greet import Settings, greet, say
from nodelog.load import options as load
from nodelog.options import Options, Parser, host, time, whole
from nodelog.shipping.addresses import NO_HOST

_TOOLS = {"hdrh", "rich"}
"""What comes with the extra `tools`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; return its exit code."""
    given = _parser(os.environ).parse_args(arguments)
    try:
        return _greet(given) if given.command == "greet" else _with_tools(given)
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _greet(given: argparse.Namespace) -> int:
    if not given.host:
        say(f"{NO_HOST} --host")
        return 2
    sent = greet(
        Settings(host=given.host, port=given.port, name=given.name, every=given.every, count=given.count),
    )
    say(f"{sent} lines sent to {given.host} port {given.port}")
    return 0


def _with_tools(given: argparse.Namespace) -> int:
    """Run a command that needs more than the standard library, if it is there."""
    try:
        from nodelog.load import loading, verifying  # noqa: PLC0415 (greet must do without what they need)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _TOOLS:
            raise
        text = f"nodelog {given.command} needs the extra \"tools\": pip install 'nodelog[tools]'"
        print(text, file=sys.stderr)
        return 2
    return loading.command(given) if given.command == "load" else verifying.command(given)


def _parser(env: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = Parser(
        prog="nodelog",
        description="Send lines to the log collector of this node, and see what becomes of them.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"nodelog {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    _add_greet(commands, env)
    load.add_load(commands, env)
    load.add_verify(commands, env)
    return parser


def _add_greet(commands: "argparse._SubParsersAction[Parser]", env: Mapping[str, str]) -> None:
    about = (
        "the sample pod: a line with the date and a greeting every few seconds, each also on standard output"
    )
    add = Options(commands.add_parser("greet", help=about, description=about, allow_abbrev=False), env).add
    add("host", host, env.get("HOST_IP"), "address of the collector (default: the variable HOST_IP)")
    add("port", whole("a port", 1, 65535), "6666", "TCP port of the collector (default 6666)")
    add("name", _name, env.get("HOSTNAME") or socket.gethostname(), "who greets (default: the host's name)")
    add("every", time, "15s", "time from one line to the next, such as 500ms or 15s (default 15s)")
    add("count", whole("a number of lines", 0, 10**12), None, "end after so many lines (default: never)")


def _name(text: str) -> str:
    if not text or "\n" in text:
        raise ValueError(f"{text!r} is not a name: it must not be empty and must fit into a line")
    return text
