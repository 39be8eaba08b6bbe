"""The command `nodelog`: what it can do, with its options and its environment, read here and nowhere else.

Every option is also a variable NODELOG_..., so that a pod's manifest needs no command line; beside these only
what Kubernetes people set anyway: HOST_IP and HOST_IPS (the node's addresses) and HOSTNAME (the pod's name).
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

from nodelog import __version__
from nodelog.argument_parser import Parser
from nodelog.commands import archive_arguments, command_arguments
from nodelog.commands.stdio.stderr import Voice
from nodelog.commands.stdio.stdout import OutputError
from nodelog.load import load_arguments as load
from nodelog.shipping.addresses import NO_HOST_MESSAGE, NoHostError
from nodelog.spool.blocks import SpoolError

INTERRUPTED = 130  # as shells have it
_TOOLS = {"hdrh", "rich"}
"""What comes with the extra `tools`."""
_OWN = {"pipe", "greet", "status", "archive", "tail"}
"""Each a module; only the one that is asked for is imported, as `app | nodelog pipe` is to start at once."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; return its exit code."""
    given = _parser(os.environ).parse_args(arguments)
    try:
        return _own(given) if given.command in _OWN else _with_tools(given)
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OutputError as error:
        Voice(given.command)(str(error))
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def _own(given: argparse.Namespace) -> int:
    """Run a command that needs the standard library alone."""
    say = Voice(given.command)
    try:
        code: int = import_module(f"nodelog.commands.{given.command}").command(given)
    except NoHostError:
        say(f"{NO_HOST_MESSAGE} --host")
    except SpoolError as error:
        say(str(error))
    else:
        return code
    return 2


def _with_tools(given: argparse.Namespace) -> int:
    """Run a command that needs more than the standard library, if it is there."""
    try:
        from nodelog.load import (  # noqa: PLC0415 (greet must do without what they need)
            load_command,
            verify_command,
        )
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _TOOLS:
            raise
        text = f"nodelog {given.command} needs the extra \"tools\": pip install 'nodelog[tools]'"
        print(text, file=sys.stderr)
        return 2
    return load_command.command(given) if given.command == "load" else verify_command.command(given)


def _parser(env: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = Parser(
        prog="nodelog",
        description="Send lines to the log collector of this node, see what becomes of them, read archives.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"nodelog {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    command_arguments.add_pipe(commands, env)
    command_arguments.add_greet(commands, env)
    command_arguments.add_status(commands, env)
    archive_arguments.add_archive(commands, env)
    command_arguments.add_tail(commands, env)
    load.add_load(commands, env)
    load.add_verify(commands, env)
    return parser
