from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.fake_updater import NO_LIMITS, metric_value

from nodelog.archive.index import index_path
from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.upkeep import archive_retention
from nodelogd.compressor.upkeep.archive_names import ArchiveNames
from nodelogd.compressor.upkeep.archive_retention import apply_retention
from nodelogd.service.files.disk_budget import MIN_FREE_BYTES, FreeSpace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def names(tmp_path: Path) -> ArchiveNames:
    return ArchiveNames(tmp_path, "logs-{date}.tgz")


def write_archive(names: ArchiveNames, day: int, size: int = 5, index: int | None = 1) -> Path:
    path = names.out / f"logs-2026-11-{day:02}.tgz"
    path.write_bytes(bytes(size))
    if index is not None:
        index_path(path).write_bytes(bytes(index))
    return path


def test_excess_archives_are_removed_with_their_indexes_counted_and_logged(
    names: ArchiveNames, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    metrics = Metrics()
    paths = [write_archive(names, day) for day in (1, 2, 3)]
    apply_retention(names, paths[-1], replace(NO_LIMITS, max_files=1), metrics)
    assert sorted(names.out.iterdir()) == [paths[2], index_path(paths[2])]
    assert metric_value(metrics, "nodelog_archives_removed_total", reason="keep-count") == 2
    assert metric_value(metrics, "nodelog_archives") == 1
    assert metric_value(metrics, "nodelog_archives_bytes") == 6
    assert metric_value(metrics, "nodelog_archive_disk_free_bytes") > 0
    assert caplog.messages == ["removed by --keep-count"] * 2


def test_the_size_of_the_index_counts(names: ArchiveNames) -> None:
    paths = [write_archive(names, day, size=10, index=90) for day in (1, 2)]
    apply_retention(names, paths[-1], replace(NO_LIMITS, max_bytes=200), Metrics())
    assert paths[0].exists()
    apply_retention(names, paths[-1], replace(NO_LIMITS, max_bytes=199), Metrics())
    assert not paths[0].exists()


def test_the_current_archive_and_those_of_later_days_are_kept(names: ArchiveNames) -> None:
    target, *later = [write_archive(names, day) for day in (1, 2, 3)]  # the clock was set back
    apply_retention(
        names, target, replace(NO_LIMITS, max_bytes=0, max_files=1, max_age=1, min_free_share=1.0), Metrics()
    )
    assert target.exists()
    assert all(path.exists() for path in later)


def test_files_of_others_and_of_later_days_cost_no_archive(names: ArchiveNames) -> None:
    old, target = write_archive(names, 1), write_archive(names, 2)
    for path in (write_archive(names, 3), write_archive(names, 4)):
        os.chown(path, 1000, 1000)
    write_archive(names, 30)
    (names.out / "logs-2026-10-01.tgz").symlink_to("/nonexistent")
    apply_retention(names, target, replace(NO_LIMITS, max_files=2), Metrics())
    assert old.exists()
    apply_retention(names, target, replace(NO_LIMITS, max_files=1), Metrics())
    assert not old.exists()
    assert len([path for path in names.out.iterdir() if path.suffix == ".tgz"]) == 5


def test_an_archive_without_an_index_counts(names: ArchiveNames) -> None:
    old, new = write_archive(names, 1, index=None), write_archive(names, 2)
    apply_retention(names, new, replace(NO_LIMITS, max_files=1), Metrics())
    assert not old.exists()


def test_age_never_removes_the_newest_three(names: ArchiveNames) -> None:
    paths = [write_archive(names, day) for day in (1, 2, 3, 4)]
    for path in paths:
        os.utime(path, (0, 0))
    apply_retention(names, paths[-1], replace(NO_LIMITS, max_age=10), Metrics())
    assert [path.exists() for path in paths] == [False, True, True, True]


def test_room_is_made_for_another_archive_of_the_same_size(
    names: ArchiveNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 4 * MIN_FREE_BYTES
    old, new = write_archive(names, 1), names.out / "logs-2026-11-02.tgz"
    with new.open("wb") as file:
        file.truncate(size)
    budget = replace(NO_LIMITS, min_free_share=0.01)
    monkeypatch.setattr(archive_retention, "free_space", lambda _: FreeSpace(size=100 * size, free=size))
    apply_retention(names, new, budget, Metrics())
    assert old.exists()
    monkeypatch.setattr(archive_retention, "free_space", lambda _: FreeSpace(size=100 * size, free=size - 1))
    apply_retention(names, new, budget, Metrics())
    assert not old.exists()


def test_an_empty_directory_is_no_error(names: ArchiveNames) -> None:
    apply_retention(names, names.out / "logs-2026-11-02.tgz", NO_LIMITS, Metrics())
