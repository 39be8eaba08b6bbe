import math
import os
import threading
from pathlib import Path

import pytest

from nodeagent import disk
from nodeagent.disk import Disks, Sample, Space, Trend, growth, time_to_full, trouble
from nodeagent.findings import Findings
from nodeagent.metrics import Metrics

GIB = 1024**3


def test_steady_growth_is_found() -> None:
    assert growth([Sample(t, 1000 + 50 * t) for t in range(0, 100, 10)], 60) == pytest.approx(50)


def test_a_rotation_does_not_hide_the_trend() -> None:
    # Ten bytes a second; each hundred seconds the oldest file goes, which is a little smaller.
    samples = [Sample(t, 10 * t - 900 * (t // 100)) for t in range(0, 1000, 10)]
    assert growth(samples, 60) == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("times", [[], [0], [0, 100], [0, 1, 2]])
def test_too_little_was_seen_to_speak_of_growth(times: list[int]) -> None:
    assert growth([Sample(t, 1000 * t) for t in times], 60) == 0


@pytest.mark.parametrize(
    ("free", "growing", "seconds"), [(100, 10, 10), (0, 10, 0), (100, 0, math.inf), (9, -1, math.inf)]
)
def test_time_to_full_is_what_is_free_by_growth(free: int, growing: float, seconds: float) -> None:
    assert time_to_full(free, growing) == seconds


def test_a_trend_forgets_what_is_older_than_its_window_and_takes_no_more_samples_than_it_needs() -> None:
    trend = Trend(120)
    for tenth in range(10_000):
        trend.add(Sample(tenth / 10, min(tenth, 5000)))
    assert trend.growth == pytest.approx(0)
    assert len(trend._samples) <= disk.SAMPLES + 1


def space(**changes: int) -> Space:
    values = {"size": GIB, "free": GIB // 2, "used": GIB // 2, "inodes": 1000, "inodes_free": 500}
    return Space(**(values | changes))


@pytest.mark.parametrize(
    ("found", "left", "expected"),
    [
        (space(), math.inf, ""),
        (space(inodes=0, inodes_free=0), math.inf, ""),
        (space(free=0), math.inf, "the file system of /x is full"),
        (space(inodes_free=0), math.inf, "the file system of /x has no inode left"),
        (space(), 3600, "the file system of /x will be full in 1.0 h if it grows on like this"),
    ],
)
def test_what_is_wrong_is_said(found: Space, left: float, expected: str) -> None:
    assert trouble(Path("/x"), found, left, 6 * 3600) == expected


async def test_a_file_system_is_shown(tmp_path: Path) -> None:
    metrics = Metrics()
    findings = Findings(metrics)
    disks = Disks([tmp_path], 3600, 0, metrics, findings)
    assert await disks.look()
    found = os.statvfs(tmp_path)
    labels = {"path": str(tmp_path)}
    size = metrics.registry.get_sample_value("nodelog_agent_disk_size_bytes", labels)
    assert size == found.f_blocks * found.f_frsize
    assert metrics.registry.get_sample_value("nodelog_agent_disk_full_seconds", labels) == math.inf
    shown = disks.status()[str(tmp_path)]
    assert isinstance(shown, dict)
    assert shown["full_in_seconds"] is None


async def test_a_missing_path_is_a_reason(tmp_path: Path) -> None:
    findings = Findings(Metrics())
    path = tmp_path / "gone"
    disks = Disks([path], 3600, 0, Metrics(), findings)
    assert not await disks.look()
    expected = f"cannot look at the file system of {path}: No such file or directory"
    assert findings.reasons() == {f"disk {path}": expected}
    path.mkdir()
    assert await disks.look()
    assert findings.reasons() == {}


async def test_a_file_system_that_hangs_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, asked = threading.Event(), []

    def hanging(_: type[Space], path: Path) -> Space:
        asked.append(path)
        released.wait(30)
        return space()

    monkeypatch.setattr(Space, "at", classmethod(hanging))
    monkeypatch.setattr(disk, "PATIENCE", 0.01)
    findings = Findings(Metrics())
    disks = Disks([tmp_path], 3600, 0, Metrics(), findings)
    assert not await disks.look()
    assert not await disks.look()
    assert asked == [tmp_path]
    assert "no answer for" in findings.reasons()[f"disk {tmp_path}"]
    released.set()
    await disks._asking[tmp_path]
    assert await disks.look()


@pytest.mark.parametrize(
    ("free", "inodes", "inodes_free", "is_full"),
    [(1, 10, 1, False), (0, 10, 1, True), (1, 10, 0, True), (1, 0, 0, False)],
    ids=["room", "no byte left", "no inode left", "inodes are not counted"],
)
def test_a_disk_is_full_when_no_byte_or_no_inode_is_left(
    free: int, inodes: int, inodes_free: int, *, is_full: bool
) -> None:
    space = Space(size=10, free=free, used=10 - free, inodes=inodes, inodes_free=inodes_free)
    assert space.is_full is is_full
