from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nodelogd.service.disk_budget import NEWEST, ROOM, Budget, Disk, Kept, to_remove

MIB = 1024**2
NOW = 1e9
NONE = Budget(size=None, count=None, age=None, free=None)
LARGE = Disk(size=1000 * ROOM, free=500 * ROOM)


def file(size: int = 1, age: float = 0.0, name: str = "") -> Kept:
    return Kept(path=Path(name), size=size, time=NOW - age)


def removed(files: list[Kept], budget: Budget, disk: Disk = LARGE) -> list[str]:
    return [reason for _, reason in to_remove(files, budget, disk, NOW)]


FILES = st.lists(
    st.builds(file, size=st.integers(0, 100 * MIB), age=st.floats(-1e6, 1e6), name=st.uuids().map(str)),
    max_size=12,
)
BUDGETS = st.builds(
    Budget,
    size=st.none() | st.integers(0, 1000 * MIB),
    count=st.none() | st.integers(0, 12),
    age=st.none() | st.floats(1, 1e6),
    free=st.none() | st.floats(0, 1),
)
DISKS = st.tuples(st.integers(1, 4000 * MIB), st.floats(0, 1)).map(
    lambda found: Disk(size=found[0], free=int(found[0] * found[1]))
)


@given(FILES, BUDGETS, DISKS)
def test_the_oldest_go_first_and_what_is_left_is_within_the_budget(
    files: list[Kept], budget: Budget, disk: Disk
) -> None:
    gone = [kept for kept, _ in to_remove(files, budget, disk, NOW)]
    assert gone == files[: len(gone)]
    left = files[len(gone) :]
    if left:
        free = disk.free + sum(kept.size for kept in gone)
        assert budget.free is None or free >= budget.free * disk.size
        assert budget.size is None or sum(kept.size for kept in left) <= budget.size
        assert budget.count is None or len(left) <= budget.count
        assert budget.age is None or NOW - left[0].time <= budget.age or len(left) <= NEWEST


@given(FILES, BUDGETS, DISKS)
def test_nothing_goes_that_need_not(files: list[Kept], budget: Budget, disk: Disk) -> None:
    gone = list(to_remove(files, budget, disk, NOW))
    assume(gone)
    *before, (last, reason) = gone
    left = files[len(before) :]
    free = disk.free + sum(kept.size for kept, _ in before)
    needed = {
        "keep-free": budget.free is not None
        and free < max(budget.free * disk.size, min(ROOM, disk.size / 2)),
        "keep-bytes": budget.size is not None and sum(kept.size for kept in left) > budget.size,
        "keep-count": budget.count is not None and len(left) > budget.count,
        "keep-age": budget.age is not None and NOW - last.time > budget.age and len(left) > NEWEST,
    }
    assert needed[reason]


@given(FILES, st.floats(1, 1e6), DISKS)
def test_age_alone_leaves_the_newest_three(files: list[Kept], age: float, disk: Disk) -> None:
    budget = Budget(size=None, count=None, age=age, free=None)
    left = len(files) - len(removed(files, budget, disk))
    assert left >= min(len(files), NEWEST)


@given(FILES, DISKS)
def test_without_a_budget_nothing_goes(files: list[Kept], disk: Disk) -> None:
    assert removed(files, NONE, disk) == []


@pytest.mark.parametrize(
    ("budget", "reasons"),
    [
        (Budget(size=2, count=None, age=None, free=None), ["keep-bytes"] * 3),
        (Budget(size=None, count=1, age=None, free=None), ["keep-count"] * 4),
        (Budget(size=None, count=None, age=10, free=None), ["keep-age"] * 2),
        (Budget(size=None, count=None, age=None, free=0.6), ["keep-free"] * 5),
        (Budget(size=4, count=3, age=10, free=None), ["keep-bytes", "keep-count"]),
    ],
)
def test_each_file_goes_for_a_reason(budget: Budget, reasons: list[str]) -> None:
    assert removed([file(age=100)] * 5, budget) == reasons


def test_no_limit_of_age_is_reached_at_its_last_second() -> None:
    budget = Budget(size=None, count=None, age=10, free=None)
    assert removed([file(age=10)] * 4, budget) == []
    assert removed([file(age=10.5)] * 4, budget) == ["keep-age"]


def test_a_file_from_the_future_is_not_old() -> None:
    assert removed([file(age=-1e6)] * 4, Budget(age=1)) == []


def test_on_a_small_file_system_there_stays_room_to_go_on() -> None:
    budget = Budget(size=None, free=0.1)
    disk = Disk(size=4 * ROOM, free=ROOM - MIB)  # a quarter is free, less than a rotation may take
    assert removed([file(size=MIB)] * 3, budget, disk) == ["keep-free"]


def test_on_a_very_small_one_half_of_it_does() -> None:
    budget = Budget(size=None, free=0.1)
    disk = Disk(size=ROOM, free=ROOM // 2)
    assert removed([file(size=MIB)] * 3, budget, disk) == []


def test_the_newest_ones_that_are_spared_stay_whatever_the_budget_says() -> None:
    budget = Budget(size=0, count=0, age=1, free=1.0, least=2)
    assert len(removed([file(age=100)] * 5, budget)) == 3
    assert removed([file(age=100)] * 2, budget) == []
    assert removed([file(age=100)], budget) == []


def test_there_stays_as_much_room_as_is_asked_for() -> None:
    disk = Disk(size=1000 * ROOM, free=300 * ROOM)
    budget = Budget(size=None, free=0.1, room=302 * ROOM)
    assert removed([file(size=ROOM)] * 5, budget, disk) == ["keep-free"] * 2
