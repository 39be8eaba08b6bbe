"""`nodelog archive`: lists, prints and extracts the members of a log archive, and verifies the archive."""

from __future__ import annotations

import argparse
import json
import tarfile
from typing import TYPE_CHECKING, Final

from nodelog.archive.archive_reader import ArchiveError, DamagedPart, open_archive
from nodelog.archive.extraction import Extracted, LeftOut, extract
from nodelog.archive.integrity import check_integrity
from nodelog.archive.tar_stream import DamageError
from nodelog.commands.archive_listing import to_json, to_text
from nodelog.commands.stdio.progress_bar import progress_bar
from nodelog.commands.stdio.stderr import MessagePrinter
from nodelog.commands.stdio.stdout import is_terminal, write, write_line
from nodelog.commands.stdio.terminal_escaping import escape_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

GOOD: Final = 0
FAULTY: Final = 1
UNUSABLE: Final = 2
_BUFFER: Final = 1 << 20

print_message = MessagePrinter("archive")


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit code, of several archives the highest."""
    if args.action == "verify":
        return max([_run(argparse.Namespace(**{**vars(args), "archive": path})) for path in args.archives])
    return _run(args)


def _run(args: argparse.Namespace) -> int:
    try:
        return _ACTIONS[args.action](args)
    except BrokenPipeError:
        raise
    except ArchiveError as error:
        print_message(str(error))
    except OSError as error:
        print_message(f"cannot read {args.archive}: {error.strerror or error}")
    return UNUSABLE


def _list(args: argparse.Namespace) -> int:
    seen: set[str] = set()
    rows, damaged = [], []
    with open_archive(args.archive) as archive:
        for member in archive.members(_wanted(args.members)):
            seen.add(member.name)
            if isinstance(member, DamagedPart):
                damaged.append(member)
            elif args.json:
                rows.append(to_json(member.info))
            else:
                _print(to_text(member.info))
    if args.json:
        _print(json.dumps(rows))
    return _report(args, seen, damaged)


def _cat(args: argparse.Namespace) -> int:
    (name,) = args.members
    try:
        with open_archive(args.archive) as archive:
            member = archive.find_last(_wanted(args.members) or ())
            if member is None:
                return _report(args, (), ())
            if (content := member.open_content()) is None:
                return _report(args, [name], [LeftOut(name, "it has no content to print")])
            while data := content.read(_BUFFER):
                write(data)
    except (DamageError, tarfile.TarError) as error:
        return _report(args, [name], [DamagedPart(name, str(error))])
    return GOOD


def _verify(args: argparse.Namespace) -> int:
    with (
        progress_bar("verifying", _size(args.archive)) as update,
        open_archive(args.archive, update) as archive,
    ):
        report = check_integrity(archive)
        pieces = f" in {len(archive.index.pieces):,} pieces" if archive.index else ""
    if archive.index_problem:
        print_message(f"{args.archive}: its index is not used: {archive.index_problem}")
    _print(f"{args.archive}: whole: {_count(report.members)}, {report.size:,} bytes{pieces}")
    return _report(args, args.members, report.damaged)


def _extract(args: argparse.Namespace) -> int:
    seen: set[str] = set()
    problems, count, size = [], 0, 0
    with (
        progress_bar("extracting", _size(args.archive)) as update,
        open_archive(args.archive, update) as archive,
    ):
        for result in extract(archive, args.to, _wanted(args.members)):
            seen.add(result.name)
            if isinstance(result, Extracted):
                count, size = count + 1, size + result.size
            else:
                problems.append(result)
    _print(f"{_count(count)}, {size:,} bytes, extracted to {args.to}")
    return _report(args, seen, problems)


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "list": _list,
    "cat": _cat,
    "verify": _verify,
    "extract": _extract,
}


def _spellings(name: str) -> set[str]:
    """Return the member names that `name` may mean: members have no leading slash."""
    return {name, name.lstrip("/")}


def _wanted(names: Iterable[str]) -> set[str] | None:
    return {spelling for name in names for spelling in _spellings(name)} or None


def _report(args: argparse.Namespace, seen: Iterable[str], problems: Iterable[DamagedPart | LeftOut]) -> int:
    """Print what is damaged, left out or missing; return the exit code."""
    missing = [name for name in args.members if _spellings(name).isdisjoint(seen)]
    lines = [f"{_printable(one.name)} is {_STATES[type(one)]}: {one.why}" for one in problems]
    lines += [f"{_printable(name)} was not found in it" for name in missing]
    for line in lines:
        print_message(f"{args.archive}: {line}")
    return FAULTY if lines else GOOD


_STATES: Final[Mapping[type, str]] = {DamagedPart: "damaged", LeftOut: "left out"}


def _printable(name: str) -> str:
    return escape_text(name)


def _count(members: int) -> str:
    return f"{members:,} members" if members != 1 else "1 member"


def _size(path: Path) -> int:
    return path.stat().st_size


def _print(line: str) -> None:
    """Print a line: escaped on a terminal, with the names' own bytes elsewhere."""
    write_line(escape_text(line) if is_terminal() else line)
