"""`nodelog archive`: what is in an archive of logs, a file out of it, all of it, and whether it is whole."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Final

from nodelog.archive.archive_reader import ArchiveError, Damaged, opened
from nodelog.archive.extraction import Extracted, LeftOut, extract
from nodelog.archive.integrity import verify
from nodelog.archive.tar_stream import DamageError
from nodelog.commands.archive_listing import to_json, to_text
from nodelog.commands.stdio.progress_bar import reading
from nodelog.commands.stdio.stderr import Voice, shown
from nodelog.commands.stdio.stdout import is_terminal, put, put_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

GOOD: Final = 0
FAULTY: Final = 1
UNUSABLE: Final = 2
_BUFFER: Final = 1 << 20

say = Voice("archive")


def command(given: argparse.Namespace) -> int:
    """Run it with these options; return the exit code."""
    try:
        return _ACTIONS[given.action](given)
    except BrokenPipeError:
        raise
    except ArchiveError as error:
        say(str(error))
    except OSError as error:
        say(f"cannot read {given.archive}: {error.strerror or error}")
    return UNUSABLE


def _list(given: argparse.Namespace) -> int:
    seen: set[str] = set()
    rows, damaged = [], []
    with opened(given.archive) as archive:
        for found in archive.members(_wanted(given.members)):
            seen.add(found.name)
            if isinstance(found, Damaged):
                damaged.append(found)
            elif given.json:
                rows.append(to_json(found.info))
            else:
                _print(to_text(found.info))
    if given.json:
        _print(json.dumps(rows))
    return _ended(given, seen, damaged)


def _cat(given: argparse.Namespace) -> int:
    (name,) = given.members
    try:
        with opened(given.archive) as archive:
            found = archive.find(_wanted(given.members) or ())
            if found is None:
                return _ended(given, (), ())
            if (content := found.content) is None:
                return _ended(given, [name], [LeftOut(name, "there is nothing in it to print")])
            while data := content.read(_BUFFER):
                put(data)
    except (DamageError, tarfile.TarError) as error:
        return _ended(given, [name], [Damaged(name, str(error))])
    return GOOD


def _verify(given: argparse.Namespace) -> int:
    with reading("verifying", _size(given.archive)) as tell, opened(given.archive, tell) as archive:
        verdict = verify(archive)
        pieces = f" in {len(archive.index.pieces):,} pieces" if archive.index else ""
    if archive.unindexed:
        say(f"{given.archive}: its index is not used: {archive.unindexed}")
    _print(f"{given.archive}: whole: {_count(verdict.members)}, {verdict.size:,} bytes{pieces}")
    return _ended(given, given.members, verdict.damaged)


def _extract(given: argparse.Namespace) -> int:
    seen: set[str] = set()
    troubles, count, size = [], 0, 0
    with reading("extracting", _size(given.archive)) as tell, opened(given.archive, tell) as archive:
        for done in extract(archive, given.to, _wanted(given.members)):
            seen.add(done.name)
            if isinstance(done, Extracted):
                count, size = count + 1, size + done.size
            else:
                troubles.append(done)
    _print(f"{_count(count)}, {size:,} bytes, extracted to {given.to}")
    return _ended(given, seen, troubles)


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "list": _list,
    "cat": _cat,
    "verify": _verify,
    "extract": _extract,
}


def _forms(name: str) -> set[str]:
    """Give the names that a person may mean: members have no slash in front."""
    return {name, name.lstrip("/")}


def _wanted(names: Iterable[str]) -> set[str] | None:
    return {form for name in names for form in _forms(name)} or None


def _ended(given: argparse.Namespace, seen: Iterable[str], troubles: Iterable[Damaged | LeftOut]) -> int:
    """Say what is not as it should be; give the exit code."""
    missing = [name for name in given.members if _forms(name).isdisjoint(seen)]
    lines = [f"{_named(one.name)} is {_STATES[type(one)]}: {one.why}" for one in troubles]
    lines += [f"{_named(name)} was not found in it" for name in missing]
    for line in lines:
        say(f"{given.archive}: {line}")
    return FAULTY if lines else GOOD


_STATES: Final[Mapping[type, str]] = {Damaged: "damaged", LeftOut: "left out"}


def _named(name: str) -> str:
    return shown(name.encode(errors="surrogateescape"))


def _count(members: int) -> str:
    return f"{members:,} members" if members != 1 else "1 member"


def _size(path: Path) -> int:
    return path.stat().st_size


def _print(line: str) -> None:
    """Print a line: harmless on a terminal, else with the bytes that names have."""
    put_line(shown(line.encode(errors="surrogateescape")) if is_terminal() else line)
