import os
import sys
import tarfile
import time
from pathlib import Path

import pytest

from nodeagent.checks.archive_checks import Archive, Verification, newest
from nodeagent.checks.problems import Findings
from nodeagent.metrics import Metrics


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Make an archive as `tar czf` does."""
    (tmp_path / "x.log").write_bytes(os.urandom(100_000))
    path = tmp_path / "all-logs-2026-11-22.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        file.add(tmp_path / "x.log", "var/log/x.log")
    return path


class Watched:
    """Both eyes on the archives of a folder."""

    def __init__(self, folder: Path) -> None:
        self.confirmed: float | None = None
        self.metrics = Metrics()
        self.findings = Findings(self.metrics)
        pattern = folder / "all-logs-*.tar.gz"
        self.archive = Archive(pattern, 60, lambda: self.confirmed, self.metrics, self.findings)
        self.verification = Verification(pattern, 60, self.metrics, self.findings)

    def value(self, name: str, **labels: str) -> float | None:
        """Give the value of a metric."""
        return self.metrics.registry.get_sample_value(f"nodelog_agent_archive_{name}", labels)


def aged(path: Path, seconds: float) -> None:
    """Make a file look as old."""
    os.utime(path, (time.time() - seconds,) * 2)


def test_the_newest_is_the_one_that_was_written_last(made: Path) -> None:
    older = made.with_name("all-logs-2026-11-23.tar.gz")
    older.touch()
    aged(older, 10)
    made.with_name("all-logs-2026-11-24.tar.gz.index").touch()
    found = newest(made.with_name("all-logs-*.tar.gz"))
    assert found is not None
    assert found[0] == made


def test_a_directory_is_no_archive(made: Path) -> None:
    assert newest(made.parent) is None


async def test_an_archive_is_late_after_three_intervals(made: Path) -> None:
    watched = Watched(made.parent)
    aged(made, 170)
    assert await watched.archive.look()
    assert watched.value("age_seconds") == pytest.approx(170, abs=5)
    assert watched.value("size_bytes") == made.stat().st_size
    aged(made, 190)
    assert not await watched.archive.look()
    assert watched.findings.reasons()["archive"].startswith(f"{made} is 190 s old, at most 180 s expected")


async def test_an_archive_to_which_nothing_was_to_be_added_is_not_late(made: Path) -> None:
    watched = Watched(made.parent)
    aged(made, 10_000)
    watched.confirmed = time.time() - 20
    assert await watched.archive.look()
    assert watched.value("age_seconds") == pytest.approx(20, abs=5)


async def test_no_archive_is_a_reason_after_three_intervals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(tmp_path)
    assert await watched.archive.look()
    began = time.time()
    monkeypatch.setattr(time, "time", lambda: began + 200)
    assert not await watched.archive.look()
    assert watched.findings.reasons()["archive"].startswith(f"there is no archive at {tmp_path}/all-logs-*")
    watched.confirmed = began + 190  # by a logcd that finds nothing to archive
    assert await watched.archive.look()


async def test_a_whole_archive_is_verified(made: Path) -> None:
    watched = Watched(made.parent)
    assert await watched.verification.look()
    assert watched.value("verifications_total", result="ok") == 1
    assert watched.value("ok") == 1
    assert watched.value("verified_timestamp_seconds") == pytest.approx(time.time(), abs=60)


async def test_a_damaged_archive_is_found(made: Path) -> None:
    data = bytearray(made.read_bytes())
    data[len(data) // 2] ^= 0xFF
    made.write_bytes(data)
    watched = Watched(made.parent)
    assert not await watched.verification.look()
    assert watched.value("verifications_total", result="damaged") == 1
    assert watched.value("ok") == 0
    assert f"{made} is damaged: " in watched.findings.reasons()["verification"]


async def test_nothing_is_verified_where_there_is_nothing(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert not await watched.verification.look()
    assert watched.findings.reasons() == {}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; sys.exit('disk on fire')", "disk on fire"),
        ("import time; time.sleep(60)", "not done within 0.5 s"),
    ],
)
async def test_a_verification_that_fails_says_nothing_of_the_archive(
    script: str, said: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    nodelog = python.with_name("nodelog")
    code = script.replace("sys.exit('disk on fire')", "print('disk on fire'); sys.exit(2)")
    nodelog.write_text(f"#!{sys.executable}\n{code}\n")
    nodelog.chmod(0o755)
    watched = Watched(made.parent)
    watched.verification._patience = 0.5 if "sleep" in script else 60
    monkeypatch.setattr(sys, "executable", str(python))
    assert not await watched.verification.look()
    assert watched.value("verifications_total", result="failed") == 1
    assert watched.value("ok") == 1
    assert watched.findings.reasons() == {"verification": f"cannot verify {made}: {said}"}
