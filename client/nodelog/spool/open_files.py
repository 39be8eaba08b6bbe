"""The files that SQLite has open, found out from outside: whether each is still ours (see `own_descriptor`).

SQLite would go on writing to the number of a descriptor that the program has closed, whatever has it by then.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nodelog.own_descriptor import OwnDescriptor

if TYPE_CHECKING:
    from pathlib import Path

_SUFFIXES: Final = ("", "-wal", "-shm")
_DESCRIPTORS: Final = "/dev/fd"


class OpenFiles:
    """The open descriptors of a spool's database, as far as the system lists them; none without a path."""

    def __init__(self, path: Path | None = None) -> None:
        statuses = _statuses(path) if path else []
        self._descriptors = [
            descriptor
            for descriptor in (_all_descriptors() if statuses else [])
            if any(descriptor.stands_for(status) for status in statuses)
        ]

    def are_ours(self) -> bool:
        """Return whether no other part of the program has closed one of them."""
        return all(descriptor.is_ours() for descriptor in self._descriptors)


def _statuses(path: Path) -> list[os.stat_result]:
    statuses = []
    for suffix in _SUFFIXES:
        with suppress(OSError):
            statuses.append(path.with_name(path.name + suffix).stat())
    return statuses


def _all_descriptors() -> list[OwnDescriptor]:
    descriptors = []
    with suppress(OSError):  # there is no such directory
        for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 (numbers, not paths)
            with suppress(OSError, ValueError):  # the one of the listing itself
                descriptors.append(OwnDescriptor(int(name)))
    return descriptors
