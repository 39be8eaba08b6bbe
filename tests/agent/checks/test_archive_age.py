import os
import time
from pathlib import Path

import pytest

from nodeagent.checks.archive_age import ArchiveAge
from nodeagent.metrics import Metrics
from nodeagent.problems import Problems


class CheckedFolder:
    """The check of the archives in a folder, with its metrics and problems."""

    def __init__(self, folder: Path) -> None:
        self.last_success: float | None = None
        self.metrics = Metrics()
        self.problems = Problems(self.metrics)
        pattern = folder / "all-logs-*.tar.gz"
        self.check = ArchiveAge(pattern, 60, lambda: self.last_success, self.metrics, self.problems)

    def value(self, name: str) -> float | None:
        """Return the value of a metric."""
        return self.metrics.registry.get_sample_value(f"nodelog_agent_archive_{name}")


def set_age(path: Path, seconds: float) -> None:
    """Set the modification time of a file to `seconds` ago."""
    os.utime(path, (time.time() - seconds,) * 2)


async def test_an_archive_is_late_after_three_intervals(archive: Path) -> None:
    folder = CheckedFolder(archive.parent)
    set_age(archive, 170)
    assert await folder.check.run()
    assert folder.value("age_seconds") == pytest.approx(170, abs=5)
    assert folder.value("size_bytes") == archive.stat().st_size
    set_age(archive, 190)
    assert not await folder.check.run()
    assert folder.problems.reasons()["archive"].startswith(f"{archive} is 190 s old, at most 180 s expected")


async def test_an_old_archive_with_nothing_to_add_is_not_late(archive: Path) -> None:
    folder = CheckedFolder(archive.parent)
    set_age(archive, 10_000)
    folder.last_success = time.time() - 20
    assert await folder.check.run()
    assert folder.value("age_seconds") == pytest.approx(20, abs=5)


async def test_a_missing_archive_is_a_problem_after_three_intervals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CheckedFolder(tmp_path)
    assert await folder.check.run()
    started = time.time()
    monkeypatch.setattr(time, "time", lambda: started + 200)
    assert not await folder.check.run()
    assert folder.problems.reasons()["archive"].startswith(f"there is no archive at {tmp_path}/all-logs-*")
    folder.last_success = started + 190  # logcd found nothing to archive
    assert await folder.check.run()
