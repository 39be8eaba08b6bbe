import itertools
import math
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.faults.mounts import MIB, disk_in_memory

from nodeagent.checks import disk_space
from nodeagent.checks.disk_space import Disks, Outlook, Space, Trends, trouble
from nodeagent.checks.problems import Findings
from nodeagent.metrics import Metrics

GIB = 1024**3


def space(**changes: int) -> Space:
    values = {"size": GIB, "free": GIB // 2, "used": GIB // 2}
    inodes = {"inodes": 1000, "inodes_free": 500, "inodes_used": 500}
    return Space(**(values | inodes | changes))


def outlook(bytes_full: float = math.inf, inodes_full: float = math.inf) -> Outlook:
    return Outlook(bytes_growth=0, bytes_full=bytes_full, inodes_growth=0, inodes_full=inodes_full)


@pytest.mark.parametrize(
    ("found", "left", "expected"),
    [
        (space(), outlook(), ""),
        (space(inodes=0, inodes_free=0), outlook(), ""),
        (space(free=0), outlook(), "the file system of /x is full"),
        (space(inodes_free=0), outlook(), "the file system of /x has no inode left"),
        (
            space(),
            outlook(bytes_full=3600, inodes_full=7200),
            "the file system of /x will be full in 1.0 h if it grows on like this",
        ),
        (
            space(),
            outlook(inodes_full=1800),
            "the file system of /x will have no inode left in 0.5 h if it grows on like this",
        ),
    ],
)
def test_what_is_wrong_is_said(found: Space, left: Outlook, expected: str) -> None:
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
    assert shown["bytes_full_in_seconds"] is None


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
    monkeypatch.setattr(disk_space, "PATIENCE", 0.01)
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
def test_bytes_and_inodes_are_foreseen(changes: dict[str, int], expected: tuple[float, ...]) -> None:
    trends, seen = Trends(12), {"used": 0, "inodes_used": 0}
    for second in range(11):
        after = {name: changes[name] * second // 10 for name in seen}
        left = {"free": 1000 - after["used"], "inodes_free": 1000 - after["inodes_used"]}
        given = {name: value for name, value in changes.items() if name not in seen}
        found = trends.add(second, space(**(left | after | given)))
    shown = (found.bytes_growth, found.bytes_full, found.inodes_growth, found.inodes_full)
    assert shown == pytest.approx(expected)
    assert found.full == min(found.bytes_full, found.inodes_full)


async def test_a_real_file_system_that_runs_out_of_inodes_is_foreseen_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seconds = tmp_path / "small", itertools.count()
    monkeypatch.setattr(disk_space, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    with disk_in_memory(path, 64 * MIB, "nr_inodes=1000"):
        metrics = Metrics()
        findings = Findings(metrics)
        disks = Disks([path], 60, 6 * 3600, metrics, findings)
        for number in range(200):
            (path / str(number)).touch()
            await disks.look()
        assert findings.reasons()[f"disk {path}"].startswith(f"the file system of {path} will have no inode")
        labels = {"path": str(path)}
        growth = metrics.registry.get_sample_value("nodelog_agent_disk_growth_inodes_per_second", labels)
        assert growth == pytest.approx(1)
        left = metrics.registry.get_sample_value("nodelog_agent_disk_full_seconds", labels)
        assert left == pytest.approx(Space.at(path).inodes_free)
        while Space.at(path).inodes_free:
            number += 1
            (path / str(number)).touch()
        await disks.look()
        assert findings.reasons() == {f"disk {path}": f"the file system of {path} has no inode left"}
        assert metrics.registry.get_sample_value("nodelog_agent_disk_full_seconds", labels) == 0
