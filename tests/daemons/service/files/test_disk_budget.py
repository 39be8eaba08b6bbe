from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nodelogd.service.files.disk_budget import (
    KEPT_AT_ANY_AGE,
    MIN_FREE_BYTES,
    Budget,
    FinishedFile,
    FreeSpace,
    files_to_remove,
)

MIB = 1024**2
NOW = 1e9
UNLIMITED = Budget(max_bytes=None, max_files=None, max_age=None, min_free_share=None)
LARGE = FreeSpace(size=1000 * MIN_FREE_BYTES, free=500 * MIN_FREE_BYTES)


def file(size: int = 1, age: float = 0.0, name: str = "") -> FinishedFile:
    return FinishedFile(path=Path(name), size=size, time=NOW - age)


def removed(files: list[FinishedFile], budget: Budget, disk: FreeSpace = LARGE) -> list[str]:
    return [reason for _, reason in files_to_remove(files, budget, disk, NOW)]


FILES = st.lists(
    st.builds(file, size=st.integers(0, 100 * MIB), age=st.floats(-1e6, 1e6), name=st.uuids().map(str)),
    max_size=12,
)
BUDGETS = st.builds(
    Budget,
    max_bytes=st.none() | st.integers(0, 1000 * MIB),
    max_files=st.none() | st.integers(0, 12),
    max_age=st.none() | st.floats(1, 1e6),
    min_free_share=st.none() | st.floats(0, 1),
)
DISKS = st.tuples(st.integers(1, 4000 * MIB), st.floats(0, 1)).map(
    lambda drawn: FreeSpace(size=drawn[0], free=int(drawn[0] * drawn[1]))
)


@given(FILES, BUDGETS, DISKS)
def test_the_oldest_are_removed_first_and_the_rest_is_within_the_budget(
    files: list[FinishedFile], budget: Budget, disk: FreeSpace
) -> None:
    to_remove = [file for file, _ in files_to_remove(files, budget, disk, NOW)]
    assert to_remove == files[: len(to_remove)]
    left = files[len(to_remove) :]
    if left:
        free = disk.free + sum(file.size for file in to_remove)
        assert budget.min_free_share is None or free >= budget.min_free_share * disk.size
        assert budget.max_bytes is None or sum(file.size for file in left) <= budget.max_bytes
        assert budget.max_files is None or len(left) <= budget.max_files
        assert budget.max_age is None or NOW - left[0].time <= budget.max_age or len(left) <= KEPT_AT_ANY_AGE


@given(FILES, BUDGETS, DISKS)
def test_no_file_is_removed_without_need(files: list[FinishedFile], budget: Budget, disk: FreeSpace) -> None:
    to_remove = list(files_to_remove(files, budget, disk, NOW))
    assume(to_remove)
    *before, (last, reason) = to_remove
    left = files[len(before) :]
    free = disk.free + sum(file.size for file, _ in before)
    needed = {
        "keep-free": budget.min_free_share is not None
        and free < max(budget.min_free_share * disk.size, min(MIN_FREE_BYTES, disk.size / 2)),
        "keep-bytes": budget.max_bytes is not None and sum(file.size for file in left) > budget.max_bytes,
        "keep-count": budget.max_files is not None and len(left) > budget.max_files,
        "keep-age": budget.max_age is not None
        and NOW - last.time > budget.max_age
        and len(left) > KEPT_AT_ANY_AGE,
    }
    assert needed[reason]


@given(FILES, st.floats(1, 1e6), DISKS)
def test_age_alone_leaves_the_newest_three(files: list[FinishedFile], age: float, disk: FreeSpace) -> None:
    budget = Budget(max_bytes=None, max_files=None, max_age=age, min_free_share=None)
    left = len(files) - len(removed(files, budget, disk))
    assert left >= min(len(files), KEPT_AT_ANY_AGE)


@given(FILES, DISKS)
def test_without_limits_nothing_is_removed(files: list[FinishedFile], disk: FreeSpace) -> None:
    assert removed(files, UNLIMITED, disk) == []


@pytest.mark.parametrize(
    ("budget", "reasons"),
    [
        (Budget(max_bytes=2, max_files=None, max_age=None, min_free_share=None), ["keep-bytes"] * 3),
        (Budget(max_bytes=None, max_files=1, max_age=None, min_free_share=None), ["keep-count"] * 4),
        (Budget(max_bytes=None, max_files=None, max_age=10, min_free_share=None), ["keep-age"] * 2),
        (Budget(max_bytes=None, max_files=None, max_age=None, min_free_share=0.6), ["keep-free"] * 5),
        (Budget(max_bytes=4, max_files=3, max_age=10, min_free_share=None), ["keep-bytes", "keep-count"]),
    ],
)
def test_each_removal_names_the_option_that_demands_it(budget: Budget, reasons: list[str]) -> None:
    assert removed([file(age=100)] * 5, budget) == reasons


def test_a_file_exactly_at_the_age_limit_is_kept() -> None:
    budget = Budget(max_bytes=None, max_files=None, max_age=10, min_free_share=None)
    assert removed([file(age=10)] * 4, budget) == []
    assert removed([file(age=10.5)] * 4, budget) == ["keep-age"]


def test_a_file_from_the_future_is_kept() -> None:
    assert removed([file(age=-1e6)] * 4, Budget(max_age=1)) == []


def test_on_a_small_file_system_the_minimum_of_free_bytes_applies() -> None:
    budget = Budget(max_bytes=None, min_free_share=0.1)
    # A quarter is free, which is less than a rotation may need.
    disk = FreeSpace(size=4 * MIN_FREE_BYTES, free=MIN_FREE_BYTES - MIB)
    assert removed([file(size=MIB)] * 3, budget, disk) == ["keep-free"]


def test_on_a_tiny_file_system_half_of_it_is_enough() -> None:
    budget = Budget(max_bytes=None, min_free_share=0.1)
    disk = FreeSpace(size=MIN_FREE_BYTES, free=MIN_FREE_BYTES // 2)
    assert removed([file(size=MIB)] * 3, budget, disk) == []


def test_the_always_kept_files_stay_whatever_the_limits_are() -> None:
    budget = Budget(max_bytes=0, max_files=0, max_age=1, min_free_share=1.0, always_kept=2)
    assert len(removed([file(age=100)] * 5, budget)) == 3
    assert removed([file(age=100)] * 2, budget) == []
    assert removed([file(age=100)], budget) == []


def test_the_requested_number_of_bytes_stays_free() -> None:
    disk = FreeSpace(size=1000 * MIN_FREE_BYTES, free=300 * MIN_FREE_BYTES)
    budget = Budget(max_bytes=None, min_free_share=0.1, min_free_bytes=302 * MIN_FREE_BYTES)
    assert removed([file(size=MIN_FREE_BYTES)] * 5, budget, disk) == ["keep-free"] * 2


@pytest.mark.parametrize(
    ("free_inodes", "share", "count"),
    [(None, 0.15, 0), (3, 0.15, 0), (2, 0.15, 1), (0, 0.15, 3), (0, None, 0)],
)
def test_the_oldest_go_while_too_few_inodes_are_free(
    free_inodes: int | None, share: float | None, count: int
) -> None:
    budget = Budget(max_bytes=None, min_free_share=share)
    disk = FreeSpace(size=LARGE.size, free=LARGE.free, free_inodes=free_inodes)
    assert removed([file() for _ in range(5)], budget, disk) == ["keep-free"] * count


def test_no_file_goes_for_inodes_if_all_of_them_would_not_be_enough() -> None:
    budget = Budget(max_bytes=None, min_free_share=0.15)
    disk = FreeSpace(size=LARGE.size, free=LARGE.free, free_inodes=0)
    assert removed([file(), file()], budget, disk) == []
