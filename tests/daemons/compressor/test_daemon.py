"""A real logcd: its cycles, its pages and its shutdown."""

from __future__ import annotations

import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.monitors import LivenessMonitor
from tests.processes.logcd import ARCHIVE_NAME, LOGCD, Logcd, logcd_environment
from tests.waiting import PATIENCE, wait_for

from nodelog import __version__
from nodelogd.compressor.archive.previous_archive import file_identity_at
from nodelogd.compressor.upkeep.archive_names import ArchiveNames
from nodelogd.compressor.upkeep.cycle_lock import hold_cycle_lock

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.processes.logcd import StartLogcd


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Generator[Logcd]:
    """Share a daemon that has run its first cycle among tests that only read from it."""
    logs = tmp_path_factory.mktemp("log")
    (logs / "a.log").write_bytes(b"one\n")
    daemon = Logcd(logs, [], logcd_environment(), [])
    try:
        daemon.wait_ready()
        yield daemon
    finally:
        daemon.close()


def test_the_first_cycle_runs_at_the_start(watched: Logcd) -> None:
    assert watched.contents() == {"a.log": b"one\n"}
    assert watched.archive.stat().st_mode & 0o777 == 0o600
    wait_for(lambda: watched.records("ready"))
    assert len(watched.records("ready")) == 1


def test_cycles_follow_each_other(logs: Path, logcd: StartLogcd) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    daemon = logcd("--every=100ms")
    with (logs / "a.log").open("ab") as file:
        file.write(b"two\n")
    wait_for(lambda: daemon.metric("nodelog_archive_cycles_total", result="published") == 2)
    assert daemon.contents() == {"a.log": b"one\ntwo\n"}
    assert daemon.stop() == 0


def test_sighup_starts_a_cycle_now(logs: Path, logcd: StartLogcd) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    daemon = logcd()
    (logs / "b.log").write_bytes(b"two\n")
    daemon.cycle()
    assert daemon.contents() == {"a.log": b"one\n", "b.log": b"two\n"}


def test_a_restart_continues_from_the_last_archive(logs: Path, logcd: StartLogcd) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    daemon = logcd()
    identity = file_identity_at(daemon.archive)
    daemon.restart()
    assert daemon.metric("nodelog_archive_cycles_total", result="unchanged") == 1
    assert file_identity_at(daemon.archive) == identity


def test_options_select_the_files(logs: Path, logcd: StartLogcd, tmp_path: Path) -> None:
    for name in ("a.log", "pods/p/0.log", "pods/p/debug.log", "b.txt"):
        (logs / name).parent.mkdir(parents=True, exist_ok=True)
        (logs / name).write_bytes(b"x\n")
    (tmp_path / "out").mkdir()
    options = ("--include=**/*.log", "--exclude=**/debug*", "--mode=640", f"--out={tmp_path / 'out'}")
    daemon = logcd(*options)
    daemon.archive = tmp_path / "out" / ARCHIVE_NAME
    assert set(daemon.contents()) == {"a.log", "pods/p/0.log"}
    assert daemon.archive.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in logs.iterdir()) == ["a.log", ARCHIVE_NAME, "b.txt", "pods"]
    assert (logs / ARCHIVE_NAME).readlink() == daemon.archive


def test_a_missing_directory_is_waited_for(logs: Path, logcd: StartLogcd, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    logs.rmdir()
    daemon = logcd("--every=100ms", f"--out={out}", ready=False)
    with LivenessMonitor(daemon):
        wait_for(lambda: "No such file" in str(daemon.readyz()[1]), "it reports why")
        status, page = daemon.readyz()
        assert status == 503
        text = (
            f"cannot update the archive of {logs}: No such file or directory: {logs}; "
            "the last archive is unchanged, next try in 0.1 s at the latest"
        )
        assert page["reasons"] == {"start": text}
        logs.mkdir()
        (logs / "a.log").write_bytes(b"one\n")
        daemon.wait_ready()
    assert daemon.stop() == 0
    assert len(daemon.records("cannot update")) == 1
    assert len(daemon.records("updated again")) == 1


def test_logcd_is_not_ready_after_three_intervals_without_success(logs: Path, logcd: StartLogcd) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    daemon = logcd("--every=200ms")
    logs.rename(logs.parent / "away")
    wait_for(lambda: "cycle" in daemon.readyz()[1]["reasons"], "it is no longer ready")
    assert "at most 0.6 s allowed: cannot update the archive" in daemon.readyz()[1]["reasons"]["cycle"]
    (logs.parent / "away").rename(logs)
    daemon.wait_ready()


def test_the_status_page_shows_the_last_cycle(watched: Logcd) -> None:
    status, page = watched.get_json("/status")
    assert status == 200
    assert (page["program"], page["version"]) == ("logcd", __version__)
    assert page["directory"] == str(watched.directory)
    assert page["archive"] == str(watched.archive)
    assert page["last_cycle"]["result"] == "published"
    assert page["last_cycle"]["files"] == 1
    assert page["not_ready"] == {}
    assert watched.metric("nodelog_archive_size_bytes") == watched.archive.stat().st_size
    assert watched.metric("nodelog_archive_read_bytes_total") >= 4
    assert 0 <= watched.metric("nodelog_archive_age_seconds") < 10 * PATIENCE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_daemon_between_two_cycles(logs: Path, logcd: StartLogcd, number: int) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    daemon = logcd()
    daemon.signal(number)
    assert daemon.wait() == 0
    assert daemon.records("stopped")


def test_the_daemon_waits_for_another_process_and_reports_it(logs: Path, logcd: StartLogcd) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    lock = ArchiveNames(logs, ARCHIVE_NAME).lock
    with hold_cycle_lock(lock, lambda _: False):
        daemon = logcd(ready=False)
        wait_for(lambda: "another process holds" in str(daemon.readyz()[1]), "it reports that it waits")
        assert not (logs / ARCHIVE_NAME).exists()
    daemon.wait_ready()
    assert daemon.contents() == {"a.log": b"one\n"}


def test_sigterm_ends_the_wait_for_another_process(logs: Path, logcd: StartLogcd) -> None:
    with hold_cycle_lock(ArchiveNames(logs, ARCHIVE_NAME).lock, lambda _: False):
        daemon = logcd(ready=False)
        wait_for(lambda: "another process holds" in str(daemon.readyz()[1]), "it waits")
        assert daemon.stop() == 0


def test_a_port_in_use_is_reported_in_one_line(logs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        http = f"--http=127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [LOGCD, f"--dir={logs}", http],
            capture_output=True,
            text=True,
            check=False,
            env=logcd_environment(),
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "is taken by another process; stop it or choose another with --http" in done.stderr


def test_the_daemon_needs_little_memory(watched: Logcd) -> None:
    assert watched.peak_rss() < 45 * 1024**2
