"""Which units of the last archive are copied as they are, and which files make new ones: pure rules.

Groups stay together from cycle to cycle, so that one that changes does not shift the limits of those behind
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LARGE: Final = 128 * 1024
"""Bytes of content from which on a file is a unit of its own."""
TARGET: Final = 256 * 1024
"""Bytes of a group that is made anew; it may grow to twice that and shrink to a quarter."""


class Item(NamedTuple):
    """A file to archive."""

    file: int
    """Its place among the files of this cycle."""
    size: int
    """Bytes, of header and content."""
    unit: int | None
    """In the last archive, if it is still the same file and of the same kind."""
    is_large: bool
    is_unchanged: bool


@dataclass(frozen=True, slots=True)
class Keep:
    """A unit that is copied."""

    unit: int


@dataclass(frozen=True, slots=True)
class Make:
    """Files that make a new unit: one large one, or some that share a piece."""

    items: tuple[Item, ...]
    is_large: bool


def planned(items: Iterable[Item], members: Sequence[int]) -> Iterator[Keep | Make]:
    """Plan an archive of these files in this order; `members` says how many each old unit has."""
    stretch: list[Item] = []
    for item in items:
        if item.is_large:
            yield from _groups(stretch, members)
            stretch = []
            yield _step([item], members, is_large=True)
        else:
            stretch.append(item)
    yield from _groups(stretch, members)


def _groups(items: list[Item], members: Sequence[int]) -> Iterator[Keep | Make]:
    for run in _sized(_runs(items)):
        yield _step(run, members, is_large=False)


def _step(items: list[Item], members: Sequence[int], *, is_large: bool) -> Keep | Make:
    unit = items[0].unit
    if (
        unit is not None
        and len(items) == members[unit]
        and all(item.is_unchanged and item.unit == unit for item in items)
    ):
        return Keep(unit)
    return Make(tuple(items), is_large)


def _runs(items: list[Item]) -> Iterator[list[Item]]:
    """Cut where the last archive cut; new files go to the group before them."""
    run: list[Item] = []
    unit: int | None = None
    for item in items:
        if unit is not None and item.unit is not None and item.unit != unit:
            yield run
            run, unit = [], None
        run.append(item)
        unit = unit if item.unit is None else item.unit
    if run:
        yield run


def _sized(runs: Iterable[list[Item]]) -> Iterator[list[Item]]:
    """Join what is too small and cut what is too large."""
    waiting: list[Item] = []
    for run in runs:
        if waiting and (_size(waiting) < TARGET // 4 or _size(run) < TARGET // 4):
            waiting = waiting + run
        else:
            yield from _halves(waiting)
            waiting = run
    yield from _halves(waiting)


def _halves(run: list[Item]) -> Iterator[list[Item]]:
    size = _size(run)
    share = size if size <= 2 * TARGET else size / round(size / TARGET)
    part: list[Item] = []
    done = 0.0
    for item in run:
        part.append(item)
        done += item.size
        if done >= share:
            yield part
            part, done = [], done - share
    if part:
        yield part


def _size(run: list[Item]) -> int:
    return sum(item.size for item in run)
