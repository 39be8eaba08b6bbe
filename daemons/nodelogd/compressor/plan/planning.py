"""Plan which units of the previous archive are copied and which files are built into new ones: pure rules.

Groups keep their boundaries from cycle to cycle, so that a change in one does not shift the boundaries of
those after it. The plan goes by units: an unchanged one costs the same, whatever number of files it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LARGE: Final = 128 * 1024
"""Bytes of content; a file of at least this size is a unit of its own."""
GROUP_TARGET: Final = 256 * 1024
"""Bytes of a newly built group; it may grow to twice that and shrink to a quarter."""


class Run(NamedTuple):
    """Files that follow each other in the listing, and belonged to one unit or to none."""

    start: int
    """Position of the first file in the listing."""
    stop: int
    """Position after the last file."""
    size: int
    """Bytes of headers and contents."""
    is_large: bool = False
    unit: int | None = None
    """The unit of the previous archive that these files still are, all of them unchanged."""


class CopyUnit(NamedTuple):
    """Copy a unit of the previous archive."""

    unit: int
    start: int
    stop: int
    is_large: bool = False


class BuildUnit(NamedTuple):
    """Build a new unit: of one large file, or of several that share a piece."""

    start: int
    stop: int
    is_large: bool


Step = CopyUnit | BuildUnit


def plan_units(runs: Iterable[Run], size_of: Callable[[int], int]) -> Iterator[Step]:
    """Plan an archive of these runs; `size_of` returns the bytes of header and content of a file."""
    stretch: list[Run] = []
    for run in runs:
        if run.is_large:
            yield from _groups(stretch, size_of)
            stretch = []
            yield _step(run)
        else:
            stretch.append(run)
    yield from _groups(stretch, size_of)


def _groups(runs: list[Run], size_of: Callable[[int], int]) -> Iterator[Step]:
    for run in _sized(runs):
        for part in _split(run, size_of):
            yield _step(part)


def _step(run: Run) -> Step:
    if run.unit is not None:
        return CopyUnit(run.unit, run.start, run.stop, run.is_large)
    return BuildUnit(run.start, run.stop, run.is_large)


def _sized(runs: Iterable[Run]) -> Iterator[Run]:
    """Merge runs that are too small."""
    waiting: Run | None = None
    for run in runs:
        if waiting is None:
            waiting = run
        elif min(waiting.size, run.size) < GROUP_TARGET // 4:
            waiting = Run(waiting.start, run.stop, waiting.size + run.size)
        else:
            yield waiting
            waiting = run
    if waiting is not None:
        yield waiting


def _split(run: Run, size_of: Callable[[int], int]) -> Iterator[Run]:
    """Split a run that is too large."""
    if run.unit is not None or run.size <= 2 * GROUP_TARGET:
        yield run
        return
    share = run.size / round(run.size / GROUP_TARGET)
    start, size, done = run.start, 0, 0.0
    for position in range(run.start, run.stop):
        size += size_of(position)
        if done + size >= share:
            yield Run(start, position + 1, size)
            start, size, done = position + 1, 0, done + size - share
    if start < run.stop:
        yield Run(start, run.stop, size)
