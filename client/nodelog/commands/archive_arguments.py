"""The options of `nodelog archive`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodelog.argument_parser import ArgumentParser, CommandOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    Commands = argparse._SubParsersAction[ArgumentParser]  # noqa: SLF001 (argparse has no public name for it)

_DESCRIPTION: Final = """\
Lists the members of a log archive, prints or extracts them, and checks the archive for damage. With the index
that logcd writes beside its archives, a single file is found at once, however large the archive is. Without
an index, and for archives made by other programs (.tar.gz), the whole archive is read."""

_NOTES: Final = """\
examples:
  nodelog archive list /var/log/all-logs-2026-11-22.tar.gz
  nodelog archive cat /var/log/all-logs-2026-11-22.tar.gz var/log/app.log | tail
  nodelog archive verify /var/log/all-logs-*.tar.gz
  nodelog archive extract --to /tmp/logs /var/log/all-logs-2026-11-22.tar.gz

Exit code 0: everything is in order; 1: something is damaged, missing or left out, and a message says what;
2: the archive cannot be read at all, or the output cannot be written."""

_MEMBERS: Final = "member names as printed by list (default: all)"
_PREFIX: Final = "NODELOG_ARCHIVE"
"""Prefix of the variables: NODELOG_TO is already the destination of greetings."""


def add_archive(commands: Commands, env: Mapping[str, str]) -> None:
    """Add the command with its four actions."""
    parser = _add_parser(commands, "archive", "read log archives", _DESCRIPTION, _NOTES)
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    list_parser = _add_action(actions, "list", "list the members as tar -tv does", "*", _MEMBERS)
    CommandOptions(list_parser, env, _PREFIX).add_flag(
        "json", "print a JSON array with one object per member"
    )
    _add_action(actions, "cat", "print one member", 1, "the member's name, as printed by list")
    verify = _add_parser(actions, "verify", *_described("check every byte, and name the damaged members"))
    verify.add_argument("archives", nargs="+", type=Path, metavar="ARCHIVE")
    verify.set_defaults(members=[])
    extract_parser = _add_action(actions, "extract", "write members as files", "*", _MEMBERS)
    extract_options = CommandOptions(extract_parser, env, _PREFIX)
    extract_options.add("to", Path, ".", "directory to extract into (default: the current one)")


def _add_action(
    commands: Commands, name: str, summary: str, members: int | str, members_help: str
) -> ArgumentParser:
    """Add an action for an archive and this number of members."""
    parser = _add_parser(commands, name, *_described(summary))
    parser.add_argument("archive", type=Path, metavar="ARCHIVE")
    parser.add_argument("members", nargs=members, metavar="MEMBER", help=members_help)
    return parser


def _described(summary: str) -> tuple[str, str]:
    """Return a summary and the sentence that it is part of."""
    return summary, f"{summary[0].upper()}{summary[1:]}."


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
