import sys
import time
from pathlib import Path

import pytest

from nodeagent.checks.archive_verification import ArchiveVerification
from nodeagent.metrics import Metrics
from nodeagent.problems import Problems


class CheckedFolder:
    """The verification of the archives in a folder, with its metrics and problems."""

    def __init__(self, folder: Path) -> None:
        self.metrics = Metrics()
        self.problems = Problems(self.metrics)
        self.check = ArchiveVerification(folder / "all-logs-*.tar.gz", 60, self.metrics, self.problems)

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of a metric."""
        return self.metrics.registry.get_sample_value(f"nodelog_agent_archive_{name}", labels)


async def test_an_intact_archive_is_verified(archive: Path) -> None:
    folder = CheckedFolder(archive.parent)
    assert await folder.check.run()
    assert folder.value("verifications_total", result="ok") == 1
    assert folder.value("ok") == 1
    assert folder.value("verified_timestamp_seconds") == pytest.approx(time.time(), abs=60)


async def test_a_damaged_archive_is_a_problem(archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 0xFF
    archive.write_bytes(data)
    folder = CheckedFolder(archive.parent)
    assert not await folder.check.run()
    assert folder.value("verifications_total", result="damaged") == 1
    assert folder.value("ok") == 0
    assert f"{archive} is damaged: " in folder.problems.reasons()["verification"]


async def test_a_missing_archive_is_no_problem_of_the_verification(tmp_path: Path) -> None:
    folder = CheckedFolder(tmp_path)
    assert not await folder.check.run()
    assert folder.problems.reasons() == {}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("print('disk on fire'); sys.exit(2)", "disk on fire"),
        ("time.sleep(60)", "not done within 0.5 s"),
    ],
    ids=["error", "timeout"],
)
async def test_a_failed_verification_says_nothing_about_the_archive(
    script: str, reason: str, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = archive.parent / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    nodelog = python.with_name("nodelog")
    nodelog.write_text(f"#!{sys.executable}\nimport sys, time\n{script}\n")
    nodelog.chmod(0o755)
    folder = CheckedFolder(archive.parent)
    folder.check._timeout = 0.5 if "sleep" in script else 60
    monkeypatch.setattr(sys, "executable", str(python))
    assert not await folder.check.run()
    assert folder.value("verifications_total", result="failed") == 1
    assert folder.value("ok") == 1
    assert folder.problems.reasons() == {"verification": f"cannot verify {archive}: {reason}"}
