"""The command `nodelog`: its sub-commands, options and environment, which are read only here.

Every option can also be set by a variable NODELOG_..., so that a pod's manifest needs no command line.
Besides these it reads only what Kubernetes manifests commonly set: HOST_IP and HOST_IPS (the node's
addresses) and HOSTNAME (the pod's name).
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

from nodelog import __version__
from nodelog.argument_parser import ArgumentParser
from nodelog.commands import archive_arguments, command_arguments, run_arguments, spool_arguments
from nodelog.commands.stdio.stderr import MessagePrinter
from nodelog.commands.stdio.stdout import OutputError
from nodelog.load import load_arguments
from nodelog.shipping.addresses import NO_HOST_MESSAGE, NoHostError
from nodelog.spool.blocks import SpoolError

INTERRUPTED = 130
"""The exit code that shells use for a program ended by Ctrl-C."""
_TOOLS = {"hdrh", "rich"}
"""Packages that come with the extra `tools`."""
_COMMAND_MODULES = {"pipe", "run", "greet", "status", "spool", "archive", "tail"}
"""Modules of nodelog.commands; only the one requested is imported: `app | nodelog pipe` must start fast."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; return its exit code."""
    ours, command_line = run_arguments.split_command(sys.argv[1:] if arguments is None else arguments)
    if run_arguments.lacks_command(ours, command_line):
        MessagePrinter("run")("no command to run; it stands after --: nodelog run [OPTION]... -- COMMAND")
        return 2
    if os.environ.get("NODELOG_LOG_LEVEL") == "debug":
        _show_debug_messages()
    args = build_parser(os.environ).parse_args(ours)
    args.command_line = command_line
    try:
        return _run_command(args) if args.command in _COMMAND_MODULES else _run_with_tools(args)
    except BrokenPipeError:
        # The reader of our output is gone. Python would report it again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OutputError as error:
        MessagePrinter(args.command)(str(error))
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def _show_debug_messages() -> None:
    import logging  # noqa: PLC0415 (a command must start fast)

    logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s")


def _run_command(args: argparse.Namespace) -> int:
    """Run a command that needs only the standard library."""
    print_message = MessagePrinter(args.command)
    try:
        code: int = import_module(f"nodelog.commands.{args.command}").run(args)
    except NoHostError:
        print_message(f"{NO_HOST_MESSAGE} --host")
    except SpoolError as error:
        print_message(str(error))
    else:
        return code
    return 2


def _run_with_tools(args: argparse.Namespace) -> int:
    """Run a command that needs the extra `tools`, or report that it is not installed."""
    try:
        from nodelog.load import (  # noqa: PLC0415 (the other commands work without these packages)
            load_command,
            verify_command,
        )
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _TOOLS:
            raise
        text = f"nodelog {args.command} needs the extra \"tools\": pip install 'nodelog[tools]'"
        print(text, file=sys.stderr)
        return 2
    return load_command.run(args) if args.command == "load" else verify_command.run(args)


def build_parser(env: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return the parser of the command line, with defaults from `env`."""
    parser = ArgumentParser(
        prog="nodelog",
        description="Send lines to the log collector of this node, follow its log, and read log archives.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"nodelog {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    command_arguments.add_pipe(commands, env)
    run_arguments.add_run(commands, env)
    command_arguments.add_greet(commands, env)
    command_arguments.add_status(commands, env)
    spool_arguments.add_spool(commands, env)
    archive_arguments.add_archive(commands, env)
    command_arguments.add_tail(commands, env)
    load_arguments.add_load(commands, env)
    load_arguments.add_verify(commands, env)
    return parser
