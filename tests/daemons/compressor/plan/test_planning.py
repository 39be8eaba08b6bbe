"""Groups keep their limits, and what has not changed is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from nodelogd.compressor.plan.planning import LARGE, TARGET, Item, Keep, Make, planned

if TYPE_CHECKING:
    from collections.abc import Iterable

SMALL = 10_000


def new(number: int, size: int = SMALL) -> Item:
    return Item(number, size, None, size >= LARGE, is_unchanged=False)


def old(number: int, unit: int, size: int = SMALL, *, is_unchanged: bool = True) -> Item:
    return Item(number, size, unit, is_large=False, is_unchanged=is_unchanged)


def groups_of(count: int, each: int) -> list[Item]:
    return [old(number, number // each) for number in range(count)]


def files(steps: Iterable[Keep | Make]) -> list[Keep | tuple[int, ...]]:
    return [step if isinstance(step, Keep) else tuple(item.file for item in step.items) for step in steps]


def test_small_files_share_pieces_of_the_size_that_is_aimed_at() -> None:
    steps = list(planned([new(number) for number in range(100)], []))
    assert [len(step.items) for step in steps if isinstance(step, Make)] == [25, 25, 25, 25]
    assert all(100_000 <= 25 * SMALL <= 2 * TARGET for _ in steps)


def test_a_large_file_is_a_unit_of_its_own() -> None:
    steps = list(planned([new(0), new(1, LARGE), new(2), Item(3, LARGE, 0, True, True)], [1]))
    assert files(steps) == [(0,), (1,), (2,), Keep(0)]
    assert [step.is_large for step in steps if isinstance(step, Make)] == [False, True, False]


def test_without_a_change_everything_is_kept() -> None:
    assert list(planned(groups_of(90, 30), [30, 30, 30])) == [Keep(0), Keep(1), Keep(2)]


def test_a_change_in_one_group_leaves_the_others_alone() -> None:
    items = groups_of(90, 30)
    items[40] = old(40, 1, SMALL * 3, is_unchanged=False)
    assert files(planned(items, [30, 30, 30])) == [Keep(0), tuple(range(30, 60)), Keep(2)]


def test_a_new_file_joins_the_group_before_it() -> None:
    items = [*groups_of(60, 30)[:30], new(30), *(old(number + 1, 1) for number in range(30, 60))]
    assert files(planned(items, [30, 30])) == [tuple(range(31)), Keep(1)]


def test_a_file_that_is_gone_changes_its_group_alone() -> None:
    items = [item for item in groups_of(90, 30) if item.file != 45]
    steps = list(planned(items, [30, 30, 30]))
    assert (steps[0], steps[2]) == (Keep(0), Keep(2))
    assert isinstance(steps[1], Make)


def test_a_group_that_became_too_large_is_cut_and_one_too_small_joined() -> None:
    items = [old(number, 0, 30_000, is_unchanged=False) for number in range(30)]
    steps = list(planned(items, [30]))
    assert len(steps) == round(30 * 30_000 / TARGET)
    steps = list(planned([old(0, 0), *(old(1 + n, 1) for n in range(30))], [5, 30]))
    assert files(steps) == [tuple(range(31))]


item = st.tuples(st.integers(1, 2 * LARGE), st.integers(0, 5), st.booleans(), st.booleans())


@given(st.lists(item, max_size=60))
def test_every_file_is_in_the_plan_once_and_in_order(drawn: list[tuple[int, int, bool, bool]]) -> None:
    units = sorted(unit for _, unit, _, _ in drawn)
    items = [
        old(number, unit, size, is_unchanged=is_unchanged) if is_old and size < LARGE else new(number, size)
        for number, ((size, _, is_old, is_unchanged), unit) in enumerate(zip(drawn, units, strict=True))
    ]
    sizes = [sum(each.unit == unit for each in items) for unit in range(6)]
    done: list[int] = []
    for step in planned(items, sizes):
        match step:
            case Keep(unit):
                kept = [each for each in items if each.unit == unit]
                assert all(each.is_unchanged for each in kept)
                done += [each.file for each in kept]
            case Make(made):
                done += [each.file for each in made]
    assert done == list(range(len(items)))
