import itertools
import math
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.faults.mounts import MIB, disk_in_memory

from nodeagent.checks import disk_space
from nodeagent.checks.disk_space import (
    DiskSpace,
    FileSystemForecast,
    FileSystemTrend,
    FileSystemUsage,
    problem,
)
from nodeagent.metrics import Metrics
from nodeagent.problems import Problems

GIB = 1024**3


def usage(**changes: int) -> FileSystemUsage:
    values = {"size": GIB, "free": GIB // 2, "used": GIB // 2}
    inodes = {"inodes": 1000, "inodes_free": 500, "inodes_used": 500}
    return FileSystemUsage(**(values | inodes | changes))


def forecast(bytes_full_in: float = math.inf, inodes_full_in: float = math.inf) -> FileSystemForecast:
    return FileSystemForecast(
        bytes_growth=0, bytes_full_in=bytes_full_in, inodes_growth=0, inodes_full_in=inodes_full_in
    )


@pytest.mark.parametrize(
    ("found", "expected_growth", "expected"),
    [
        (usage(), forecast(), ""),
        (usage(inodes=0, inodes_free=0), forecast(), ""),
        (usage(free=0), forecast(), "the file system of /x is full"),
        (usage(inodes_free=0), forecast(), "the file system of /x has no inode left"),
        (
            usage(),
            forecast(bytes_full_in=3600, inodes_full_in=7200),
            "the file system of /x will be full in 1.0 h if growth continues",
        ),
        (
            usage(),
            forecast(inodes_full_in=1800),
            "the file system of /x will have no inode left in 0.5 h if growth continues",
        ),
    ],
)
def test_a_problem_is_described(
    found: FileSystemUsage, expected_growth: FileSystemForecast, expected: str
) -> None:
    assert problem(Path("/x"), found, expected_growth, 6 * 3600) == expected


async def test_a_file_system_is_shown(tmp_path: Path) -> None:
    metrics = Metrics()
    problems = Problems(metrics)
    check = DiskSpace([tmp_path], 3600, 0, metrics, problems)
    assert await check.run()
    found = os.statvfs(tmp_path)
    labels = {"path": str(tmp_path)}
    size = metrics.registry.get_sample_value("nodelog_agent_disk_size_bytes", labels)
    assert size == found.f_blocks * found.f_frsize
    assert metrics.registry.get_sample_value("nodelog_agent_disk_full_seconds", labels) == math.inf
    shown = check.status()[str(tmp_path)]
    assert isinstance(shown, dict)
    assert shown["bytes_full_in_seconds"] is None


async def test_a_missing_path_is_a_problem(tmp_path: Path) -> None:
    problems = Problems(Metrics())
    path = tmp_path / "gone"
    check = DiskSpace([path], 3600, 0, Metrics(), problems)
    assert not await check.run()
    expected = f"cannot read the state of the file system of {path}: No such file or directory"
    assert problems.reasons() == {f"disk {path}": expected}
    path.mkdir()
    assert await check.run()
    assert problems.reasons() == {}


async def test_a_file_system_that_hangs_is_read_by_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, read = threading.Event(), []

    def hang(_: type[FileSystemUsage], path: Path) -> FileSystemUsage:
        read.append(path)
        released.wait(30)
        return usage()

    monkeypatch.setattr(FileSystemUsage, "read", classmethod(hang))
    monkeypatch.setattr(disk_space, "TIMEOUT", 0.01)
    problems = Problems(Metrics())
    check = DiskSpace([tmp_path], 3600, 0, Metrics(), problems)
    assert not await check.run()
    assert not await check.run()
    assert read == [tmp_path]
    assert "no answer for" in problems.reasons()[f"disk {tmp_path}"]
    released.set()
    await check._reading[tmp_path]
    assert await check.run()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"used": 100, "inodes_used": 10}, (10, 90, 1, 990)),
        ({"used": 10, "inodes_used": 10}, (1, 990, 1, 990)),
        ({"used": 0, "inodes_used": 100}, (0, math.inf, 10, 90)),
        ({"used": 0, "inodes_used": 100, "inodes": 0, "inodes_free": 0}, (0, math.inf, 0, math.inf)),
        ({"used": 0, "inodes_used": 0, "free": 0}, (0, 0, 0, math.inf)),
        ({"used": 0, "inodes_used": 0, "inodes_free": 0}, (0, math.inf, 0, 0)),
    ],
    ids=["bytes", "both", "inodes", "inodes are not limited", "no byte left", "no inode left"],
)
def test_the_end_of_bytes_and_of_inodes_is_forecast(
    changes: dict[str, int], expected: tuple[float, ...]
) -> None:
    trend, initial = FileSystemTrend(12), {"used": 0, "inodes_used": 0}
    for second in range(11):
        used = {name: changes[name] * second // 10 for name in initial}
        free = {"free": 1000 - used["used"], "inodes_free": 1000 - used["inodes_used"]}
        fixed = {name: value for name, value in changes.items() if name not in initial}
        found = trend.add(second, usage(**(free | used | fixed)))
    values = (found.bytes_growth, found.bytes_full_in, found.inodes_growth, found.inodes_full_in)
    assert values == pytest.approx(expected)
    assert found.full_in == min(found.bytes_full_in, found.inodes_full_in)


async def test_a_real_file_system_that_runs_out_of_inodes_is_forecast_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seconds = tmp_path / "small", itertools.count()
    monkeypatch.setattr(disk_space, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    with disk_in_memory(path, 64 * MIB, "nr_inodes=1000"):
        metrics = Metrics()
        problems = Problems(metrics)
        check = DiskSpace([path], 60, 6 * 3600, metrics, problems)
        for number in range(200):
            (path / str(number)).touch()
            await check.run()
        assert problems.reasons()[f"disk {path}"].startswith(f"the file system of {path} will have no inode")
        labels = {"path": str(path)}
        growth = metrics.registry.get_sample_value("nodelog_agent_disk_growth_inodes_per_second", labels)
        assert growth == pytest.approx(1)
        full_in = metrics.registry.get_sample_value("nodelog_agent_disk_full_seconds", labels)
        assert full_in == pytest.approx(FileSystemUsage.read(path).inodes_free)
        while FileSystemUsage.read(path).inodes_free:
            number += 1
            (path / str(number)).touch()
        await check.run()
        assert problems.reasons() == {f"disk {path}": f"the file system of {path} has no inode left"}
        assert metrics.registry.get_sample_value("nodelog_agent_disk_full_seconds", labels) == 0
