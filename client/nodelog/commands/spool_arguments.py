"""The options of `nodelog spool`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodelog.argument_parser import CommandOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nodelog.argument_parser import ArgumentParser
    from nodelog.commands.command_arguments import Commands

_DESCRIPTION: Final = """\
Lists, exports and discards the lines that were set aside in a spool: those that a collector refused or did
not survive. They are kept in the spool's file and not sent."""

_NOTES: Final = """\
examples:
  nodelog spool list /var/spool/app.spool
  nodelog spool export /var/spool/app.spool >aside.log
  nodelog spool export --to aside.log /var/spool/app.spool
  nodelog spool discard --exported --yes /var/spool/app.spool
  nodelog pipe <aside.log                    send them, once the collector takes them

list only reads, also while a process uses the spool. export and discard hold the spool's lock: a spool that a
process uses is left unchanged. Exported lines stay in the spool until they are discarded, and are exported
again only with --again. Lines shown on a terminal are escaped, and do not count as exported.

Exit code 0: done, also if there was nothing to do; 1: not confirmed, nothing was discarded; 2: the spool is
missing, damaged, in use or not a spool, the lines could not be written, or --yes is missing."""

_PREFIX: Final = "NODELOG_SPOOL"


def add_spool(commands: Commands, env: Mapping[str, str]) -> None:
    """Add the command with its three actions."""
    parser = _add_parser(
        commands, "spool", "take lines that were set aside out of a spool", _DESCRIPTION, _NOTES
    )
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    _add_action(actions, env, "list", "list the blocks that were set aside")
    export = _add_action(actions, env, "export", "write the lines that were set aside, as they were")
    export.add("to", Path, None, "new file to write to (default: standard output)")
    export.add_flag("again", "also write lines that were exported before")
    discard = _add_action(actions, env, "discard", "remove the lines that were set aside, after a question")
    discard.add_flag("exported", "only lines that were exported")
    discard.add_flag("yes", "do not ask")


def _add_action(commands: Commands, env: Mapping[str, str], name: str, summary: str) -> CommandOptions:
    parser = _add_parser(commands, name, summary, f"{summary[0].upper()}{summary[1:]}.")
    parser.add_argument("file", type=Path, metavar="FILE", help="file of the spool")
    options = CommandOptions(parser, env, _PREFIX)
    options.add_flag("json", "print a JSON object that describes the blocks")
    return options


def _add_parser(
    commands: Commands, name: str, summary: str, description: str, notes: str = ""
) -> ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=notes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
