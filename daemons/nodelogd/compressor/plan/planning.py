"""Plan which units of the previous archive are copied and which files are built into new ones: pure rules.

Groups keep their boundaries from cycle to cycle, so that a change in one does not shift the boundaries of
those after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LARGE: Final = 128 * 1024
"""Bytes of content; a file of at least this size is a unit of its own."""
GROUP_TARGET: Final = 256 * 1024
"""Bytes of a newly built group; it may grow to twice that and shrink to a quarter."""


class PlanItem(NamedTuple):
    """A file to archive."""

    file: int
    """Its position among the files of this cycle."""
    size: int
    """Bytes of header and content."""
    unit: int | None
    """Its unit in the previous archive, if it is still the same file and of the same kind."""
    is_large: bool
    is_unchanged: bool


@dataclass(frozen=True, slots=True)
class CopyUnit:
    """Copy a unit of the previous archive."""

    unit: int


@dataclass(frozen=True, slots=True)
class BuildUnit:
    """Build a new unit: of one large file, or of several that share a piece."""

    items: tuple[PlanItem, ...]
    is_large: bool


def plan_units(items: Iterable[PlanItem], member_counts: Sequence[int]) -> Iterator[CopyUnit | BuildUnit]:
    """Plan an archive of these files in this order; `member_counts` are those of the previous units."""
    stretch: list[PlanItem] = []
    for item in items:
        if item.is_large:
            yield from _groups(stretch, member_counts)
            stretch = []
            yield _step([item], member_counts, is_large=True)
        else:
            stretch.append(item)
    yield from _groups(stretch, member_counts)


def _groups(items: list[PlanItem], member_counts: Sequence[int]) -> Iterator[CopyUnit | BuildUnit]:
    for run in _sized(_runs(items)):
        yield _step(run, member_counts, is_large=False)


def _step(items: list[PlanItem], member_counts: Sequence[int], *, is_large: bool) -> CopyUnit | BuildUnit:
    unit = items[0].unit
    if (
        unit is not None
        and len(items) == member_counts[unit]
        and all(item.is_unchanged and item.unit == unit for item in items)
    ):
        return CopyUnit(unit)
    return BuildUnit(tuple(items), is_large)


def _runs(items: list[PlanItem]) -> Iterator[list[PlanItem]]:
    """Split where the previous archive did; new files join the group before them."""
    run: list[PlanItem] = []
    unit: int | None = None
    for item in items:
        if unit is not None and item.unit is not None and item.unit != unit:
            yield run
            run, unit = [], None
        run.append(item)
        unit = unit if item.unit is None else item.unit
    if run:
        yield run


def _sized(runs: Iterable[list[PlanItem]]) -> Iterator[list[PlanItem]]:
    """Merge runs that are too small and split those that are too large."""
    waiting: list[PlanItem] = []
    for run in runs:
        if waiting and (_size(waiting) < GROUP_TARGET // 4 or _size(run) < GROUP_TARGET // 4):
            waiting = waiting + run
        else:
            yield from _split(waiting)
            waiting = run
    yield from _split(waiting)


def _split(run: list[PlanItem]) -> Iterator[list[PlanItem]]:
    size = _size(run)
    share = size if size <= 2 * GROUP_TARGET else size / round(size / GROUP_TARGET)
    part: list[PlanItem] = []
    done = 0.0
    for item in run:
        part.append(item)
        done += item.size
        if done >= share:
            yield part
            part, done = [], done - share
    if part:
        yield part


def _size(run: list[PlanItem]) -> int:
    return sum(item.size for item in run)
