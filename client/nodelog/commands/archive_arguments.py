"""The options of `nodelog archive`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodelog.argument_parser import Options, Parser

if TYPE_CHECKING:
    from collections.abc import Mapping

    Commands = argparse._SubParsersAction[Parser]  # noqa: SLF001 (argparse has no other name for it)

_ARCHIVE: Final = """\
Shows what is in an archive of logs, gets files out of it, and says whether it is whole. With the index that
logcd writes beside its archives one file is found at once, however large the archive; without one, and for
archives that any other program made (.tar.gz), all of it is read."""

_NOTES: Final = """\
examples:
  nodelog archive list /var/log/all-logs-2026-11-22.tar.gz
  nodelog archive cat /var/log/all-logs-2026-11-22.tar.gz var/log/app.log | tail
  nodelog archive verify /var/log/all-logs-2026-11-22.tar.gz
  nodelog archive extract --to /tmp/logs /var/log/all-logs-2026-11-22.tar.gz

Exit code 0: as it should be; 1: something is damaged, missing or left out, and a line says what; 2: it cannot
be read at all, or the output cannot be written."""

_MEMBERS: Final = "names as list prints them (default: all)"
_VARIABLES: Final = "NODELOG_ARCHIVE"
"""How they begin: NODELOG_TO is where greetings go."""


def add_archive(commands: Commands, env: Mapping[str, str]) -> None:
    """Add the command and its four actions."""
    parser = _described(commands, "archive", "reads archives of logs", _ARCHIVE, _NOTES)
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    about = "lists the members as tar -tv does"
    listing = _action(actions, "list", about, "*", _MEMBERS)
    Options(listing, env, _VARIABLES).flag("json", "print a JSON array, of one object for each")
    _action(actions, "cat", "prints one member", 1, "its name, as list prints it")
    about = "checks every byte, and says which members are damaged"
    _action(actions, "verify", about, 0)
    extract = _action(actions, "extract", "writes members as files", "*", _MEMBERS)
    Options(extract, env, _VARIABLES).add("to", Path, ".", "folder for them (default: the current one)")


def _action(commands: Commands, name: str, about: str, number: int | str, names: str = "") -> Parser:
    parser = _described(commands, name, about, f"Reads an archive: {about}.")
    parser.add_argument("archive", type=Path, metavar="ARCHIVE")
    if number:
        parser.add_argument("members", nargs=number, metavar="MEMBER", help=names)
    else:
        parser.set_defaults(members=[])
    return parser


def _described(commands: Commands, name: str, about: str, description: str, notes: str = "") -> Parser:
    return commands.add_parser(
        name,
        help=about,
        description=description,
        epilog=notes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
