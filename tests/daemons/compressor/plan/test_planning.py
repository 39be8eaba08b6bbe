"""Groups keep their boundaries, and unchanged units are copied."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodelogd.compressor.plan.planning import GROUP_TARGET, LARGE, BuildUnit, CopyUnit, Run, Step, plan_units

SMALL = 10_000


def plan(*runs: Run, size: int = SMALL) -> list[Step]:
    return list(plan_units(runs, lambda _: size))


def run(start: int, stop: int, unit: int | None = None, size: int = SMALL) -> Run:
    return Run(start, stop, (stop - start) * size, unit=unit)


def large(position: int, unit: int | None = None) -> Run:
    return Run(position, position + 1, LARGE, is_large=True, unit=unit)


def test_small_files_share_pieces_of_about_the_target_size() -> None:
    steps = plan(run(0, 100))
    assert [step.stop - step.start for step in steps] == [25, 25, 25, 25]
    assert all(100_000 <= 25 * SMALL <= 2 * GROUP_TARGET for _ in steps)


def test_a_large_file_is_a_unit_of_its_own() -> None:
    steps = plan(run(0, 1), large(1), run(2, 3), large(3, 0))
    assert steps == [
        BuildUnit(0, 1, is_large=False),
        BuildUnit(1, 2, is_large=True),
        BuildUnit(2, 3, is_large=False),
        CopyUnit(0, 3, 4, is_large=True),
    ]


def test_without_changes_every_unit_is_copied() -> None:
    steps = plan(run(0, 30, 0), run(30, 60, 1), run(60, 90, 2))
    assert steps == [CopyUnit(0, 0, 30), CopyUnit(1, 30, 60), CopyUnit(2, 60, 90)]


def test_a_change_in_one_group_does_not_affect_others() -> None:
    steps = plan(run(0, 30, 0), run(30, 61), run(61, 90, 2))
    assert steps == [CopyUnit(0, 0, 30), BuildUnit(30, 61, is_large=False), CopyUnit(2, 61, 90)]


def test_a_group_that_is_too_large_is_split_and_one_too_small_is_merged() -> None:
    steps = plan(run(0, 30, size=30_000), size=30_000)
    assert len(steps) == round(30 * 30_000 / GROUP_TARGET)
    assert plan(run(0, 1, 0), run(1, 31, 1)) == [BuildUnit(0, 31, is_large=False)]
    assert plan(run(0, 30, 0), run(30, 31, 1)) == [BuildUnit(0, 31, is_large=False)]


drawn_runs = st.tuples(st.integers(1, 40), st.sampled_from(["large", "unchanged", "new"]))


@given(st.lists(drawn_runs, max_size=30), st.integers(1, LARGE))
def test_every_file_is_planned_once_and_in_order(drawn: list[tuple[int, str]], size: int) -> None:
    runs, at = [], 0
    for number, (count, kind) in enumerate(drawn):
        if kind == "large":
            runs.append(large(at))
            at += 1
        else:
            runs.append(run(at, at + count, number if kind == "unchanged" else None, size))
            at += count
    planned = [position for step in plan(*runs, size=size) for position in range(step.start, step.stop)]
    assert planned == list(range(at))
