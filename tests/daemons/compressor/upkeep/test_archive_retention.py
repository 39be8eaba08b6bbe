from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nodelog.archive.index import index_path
from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.upkeep import archive_retention
from nodelogd.compressor.upkeep.archive_names import Names
from nodelogd.compressor.upkeep.archive_retention import retain
from nodelogd.service.disk_budget import MIN_FREE_BYTES, Budget, DiskSpace

if TYPE_CHECKING:
    from pathlib import Path

ALL = Budget(max_bytes=None, max_files=None, max_age=None, min_free_share=None, always_kept=1)


@pytest.fixture
def names(tmp_path: Path) -> Names:
    return Names(tmp_path, "logs-{date}.tgz")


def leave(names: Names, day: int, size: int = 5, index: int | None = 1) -> Path:
    path = names.out / f"logs-2026-11-{day:02}.tgz"
    path.write_bytes(bytes(size))
    if index is not None:
        index_path(path).write_bytes(bytes(index))
    return path


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def test_what_the_budget_does_not_allow_goes_with_its_index_counted_and_said(
    names: Names, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    metrics = Metrics()
    paths = [leave(names, day) for day in (1, 2, 3)]
    retain(names, paths[-1], Budget(max_bytes=None, max_files=1, min_free_share=None, always_kept=1), metrics)
    assert sorted(names.out.iterdir()) == [paths[2], index_path(paths[2])]
    assert value(metrics, "nodelog_archives_removed_total", reason="keep-count") == 2
    assert value(metrics, "nodelog_archives") == 1
    assert value(metrics, "nodelog_archives_bytes") == 6
    assert value(metrics, "nodelog_archive_disk_free_bytes") > 0
    assert caplog.messages == ["removed by --keep-count"] * 2


def test_the_index_counts(names: Names) -> None:
    paths = [leave(names, day, size=10, index=90) for day in (1, 2)]
    retain(names, paths[-1], Budget(max_bytes=200, min_free_share=None, always_kept=1), Metrics())
    assert paths[0].exists()
    retain(names, paths[-1], Budget(max_bytes=199, min_free_share=None, always_kept=1), Metrics())
    assert not paths[0].exists()


def test_what_is_worked_at_stays_whatever_the_clock_says(names: Names) -> None:
    target, *later = [leave(names, day) for day in (1, 2, 3)]  # somebody set the clock back
    retain(
        names,
        target,
        Budget(max_bytes=0, max_files=1, max_age=1, min_free_share=1.0, always_kept=1),
        Metrics(),
    )
    assert target.exists()
    assert not any(path.exists() for path in later)


def test_an_archive_without_an_index_is_one_too(names: Names) -> None:
    old, new = leave(names, 1, index=None), leave(names, 2)
    retain(names, new, Budget(max_bytes=None, max_files=1, min_free_share=None, always_kept=1), Metrics())
    assert not old.exists()


def test_age_leaves_the_newest_three(names: Names) -> None:
    paths = [leave(names, day) for day in (1, 2, 3, 4)]
    for path in paths:
        os.utime(path, (0, 0))
    retain(
        names, paths[-1], Budget(max_bytes=None, max_age=10, min_free_share=None, always_kept=1), Metrics()
    )
    assert [path.exists() for path in paths] == [False, True, True, True]


def test_room_is_made_for_an_archive_beside_the_last_one(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 4 * MIN_FREE_BYTES
    old, new = leave(names, 1), names.out / "logs-2026-11-02.tgz"
    with new.open("wb") as file:
        file.truncate(size)
    budget = Budget(max_bytes=None, min_free_share=0.01, always_kept=1)
    monkeypatch.setattr(archive_retention, "_disk", lambda _: DiskSpace(size=100 * size, free=size))
    retain(names, new, budget, Metrics())
    assert old.exists()
    monkeypatch.setattr(archive_retention, "_disk", lambda _: DiskSpace(size=100 * size, free=size - 1))
    retain(names, new, budget, Metrics())
    assert not old.exists()


def test_nothing_to_keep_is_no_error(names: Names) -> None:
    retain(names, names.out / "logs-2026-11-02.tgz", ALL, Metrics())
