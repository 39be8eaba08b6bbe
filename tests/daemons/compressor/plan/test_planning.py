"""Groups keep their boundaries, and unchanged units are copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from nodelogd.compressor.plan.planning import GROUP_TARGET, LARGE, BuildUnit, CopyUnit, PlanItem, plan_units

if TYPE_CHECKING:
    from collections.abc import Iterable

SMALL = 10_000


def new(number: int, size: int = SMALL) -> PlanItem:
    return PlanItem(number, size, None, size >= LARGE, is_unchanged=False)


def old(number: int, unit: int, size: int = SMALL, *, is_unchanged: bool = True) -> PlanItem:
    return PlanItem(number, size, unit, is_large=False, is_unchanged=is_unchanged)


def groups_of(count: int, size: int) -> list[PlanItem]:
    return [old(number, number // size) for number in range(count)]


def planned_files(steps: Iterable[CopyUnit | BuildUnit]) -> list[CopyUnit | tuple[int, ...]]:
    return [step if isinstance(step, CopyUnit) else tuple(item.file for item in step.items) for step in steps]


def test_small_files_share_pieces_of_about_the_target_size() -> None:
    steps = list(plan_units([new(number) for number in range(100)], []))
    assert [len(step.items) for step in steps if isinstance(step, BuildUnit)] == [25, 25, 25, 25]
    assert all(100_000 <= 25 * SMALL <= 2 * GROUP_TARGET for _ in steps)


def test_a_large_file_is_a_unit_of_its_own() -> None:
    steps = list(plan_units([new(0), new(1, LARGE), new(2), PlanItem(3, LARGE, 0, True, True)], [1]))
    assert planned_files(steps) == [(0,), (1,), (2,), CopyUnit(0)]
    assert [step.is_large for step in steps if isinstance(step, BuildUnit)] == [False, True, False]


def test_without_changes_every_unit_is_copied() -> None:
    assert list(plan_units(groups_of(90, 30), [30, 30, 30])) == [CopyUnit(0), CopyUnit(1), CopyUnit(2)]


def test_a_change_in_one_group_does_not_affect_others() -> None:
    items = groups_of(90, 30)
    items[40] = old(40, 1, SMALL * 3, is_unchanged=False)
    assert planned_files(plan_units(items, [30, 30, 30])) == [CopyUnit(0), tuple(range(30, 60)), CopyUnit(2)]


def test_a_new_file_joins_the_group_before_it() -> None:
    items = [*groups_of(60, 30)[:30], new(30), *(old(number + 1, 1) for number in range(30, 60))]
    assert planned_files(plan_units(items, [30, 30])) == [tuple(range(31)), CopyUnit(1)]


def test_a_removed_file_changes_only_its_group() -> None:
    items = [item for item in groups_of(90, 30) if item.file != 45]
    steps = list(plan_units(items, [30, 30, 30]))
    assert (steps[0], steps[2]) == (CopyUnit(0), CopyUnit(2))
    assert isinstance(steps[1], BuildUnit)


def test_a_group_that_is_too_large_is_split_and_one_too_small_is_merged() -> None:
    items = [old(number, 0, 30_000, is_unchanged=False) for number in range(30)]
    steps = list(plan_units(items, [30]))
    assert len(steps) == round(30 * 30_000 / GROUP_TARGET)
    steps = list(plan_units([old(0, 0), *(old(1 + n, 1) for n in range(30))], [5, 30]))
    assert planned_files(steps) == [tuple(range(31))]


drawn_items = st.tuples(st.integers(1, 2 * LARGE), st.integers(0, 5), st.booleans(), st.booleans())


@given(st.lists(drawn_items, max_size=60))
def test_every_file_is_planned_once_and_in_order(drawn: list[tuple[int, int, bool, bool]]) -> None:
    units = sorted(unit for _, unit, _, _ in drawn)
    items = [
        old(number, unit, size, is_unchanged=is_unchanged) if is_old and size < LARGE else new(number, size)
        for number, ((size, _, is_old, is_unchanged), unit) in enumerate(zip(drawn, units, strict=True))
    ]
    member_counts = [sum(item.unit == unit for item in items) for unit in range(6)]
    planned: list[int] = []
    for step in plan_units(items, member_counts):
        match step:
            case CopyUnit(unit):
                copied = [item for item in items if item.unit == unit]
                assert all(item.is_unchanged for item in copied)
                planned += [item.file for item in copied]
            case BuildUnit(built):
                planned += [item.file for item in built]
    assert planned == list(range(len(items)))
