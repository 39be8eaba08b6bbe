"""Events during a cycle: a second logcd, SIGTERM, unreadable files, midnight."""

from __future__ import annotations

import random
import signal
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.archive_contents import archive_contents, assert_archive_whole, log_contents
from tests.log_appender import LogAppender
from tests.processes.logcd import (
    ARCHIVE_NAME,
    AS_NOBODY,
    LOGCD,
    logcd_environment,
    logcd_once_writing,
    run_logcd_once,
    write_incompressible,
)
from tests.waiting import PATIENCE, wait_for

from nodelogd.compressor.upkeep.archive_names import ArchiveNames

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.fake_clock import FakeClock
    from tests.processes.logcd import StartLogcd

pytest_plugins = ["tests.faults.fake_clock"]

TRIALS = 20
MIB = 1024 * 1024


def test_a_second_logcd_beside_the_daemon_does_no_harm(logs: Path, logcd: StartLogcd) -> None:
    with ExitStack() as stack:
        for seed, name in enumerate(("a.log", "b.log")):
            stack.enter_context(LogAppender(logs / name, seed))
        daemon = logcd("--every=100ms")
        for _ in range(TRIALS // 2):
            command = [str(LOGCD), "--once", f"--dir={logs}", f"--name={ARCHIVE_NAME}", "--keep-free=off"]
            processes = [subprocess.Popen(command, env=logcd_environment()) for _ in range(2)]
            assert [process.wait(PATIENCE) for process in processes] == [0, 0]
            for name, content in daemon.contents().items():
                assert (logs / name).read_bytes().startswith(content)
    daemon.settle()
    assert daemon.contents() == log_contents(logs)
    assert_archive_whole(daemon.archive)
    assert daemon.metric("nodelog_archive_cycles_total", result="failed") == 0


def write_huge(logs: Path) -> None:
    """Write a log that takes many seconds to compress, beside a small one that is already archived."""
    (logs / "a.log").write_bytes(b"a line\n")
    assert run_logcd_once(logs).returncode == 0
    write_incompressible(logs / "huge.log")


def test_sigterm_during_a_cycle_ends_it_at_once_without_leftovers(logs: Path) -> None:
    dice = random.Random(9)  # noqa: S311 (chooses the moment)
    write_huge(logs)
    for _ in range(TRIALS):
        with logcd_once_writing(logs) as process:
            signal.sigtimedwait([], dice.random() / 10)  # somewhere in the cycle
            process.terminate()
        assert process.returncode == 128 + signal.SIGTERM
        assert archive_contents(logs / ARCHIVE_NAME, logs) == {"a.log": b"a line\n"}
        assert_archive_whole(logs / ARCHIVE_NAME)
    (logs / "huge.log").unlink()
    (logs / "a.log").write_bytes(b"another line\n")
    assert run_logcd_once(logs).returncode == 0
    assert archive_contents(logs / ARCHIVE_NAME, logs) == {"a.log": b"another line\n"}


def test_sigterm_during_a_cycle_of_the_daemon_is_a_clean_exit(logs: Path, logcd: StartLogcd) -> None:
    write_huge(logs)
    daemon = logcd(ready=False)
    for _ in range(3):
        wait_for(lambda: list(logs.glob(".*.tmp-*")), "the cycle is writing")
        assert "the first cycle has been running" in daemon.readyz()[1]["reasons"]["start"]
        assert daemon.stop() == 0
        assert daemon.contents() == {"a.log": b"a line\n"}
        assert_archive_whole(daemon.archive)
        daemon.restart(ready=False)


def test_unreadable_files_are_left_out_and_the_rest_is_archived(
    nobodys_logs: Path, logcd: StartLogcd
) -> None:
    dice = random.Random(10)  # noqa: S311 (chooses the files)
    logs = nobodys_logs
    for number in range(6):
        (logs / f"{number}.log").write_bytes(b"%d\n" % number)
    daemon = logcd(directory=logs, prefix=AS_NOBODY)
    unreadable = 0
    for trial in range(TRIALS):
        secret = {name for name in log_contents(logs) if name != "0.log" and dice.random() < 1 / 3}
        for name in log_contents(logs):
            (logs / name).chmod(0o600 if name in secret else 0o644)
        (logs / "0.log").write_bytes(b"%d\n" % trial)
        daemon.cycle()
        assert daemon.contents() == {
            name: text for name, text in log_contents(logs).items() if name not in secret
        }
        assert_archive_whole(daemon.archive)
        unreadable += len(secret)
    assert daemon.metric("nodelog_archive_unusual_files_total", case="unreadable") == unreadable > TRIALS
    assert daemon.readyz()[0] == 200


def test_a_new_day_has_an_archive_of_its_own(logs: Path, logcd: StartLogcd, clock: FakeClock) -> None:
    (logs / "a.log").write_bytes(b"".join(b"%d\n" % number for number in range(300_000)))
    daemon = logcd("--name=logs-{date}.tgz", "--keep-count=2", prefix=clock.prefix)
    names = ArchiveNames(logs, "logs-{date}.tgz")
    (first,) = names.list_archives()
    read = daemon.metric("nodelog_archive_read_bytes_total")
    clock.set("+1d")
    with (logs / "a.log").open("ab") as file:
        file.write(b"of the next day\n")
    daemon.cycle()
    (_, second) = names.list_archives()
    assert (
        archive_contents(first, logs)["a.log"] + b"of the next day\n"
        == archive_contents(second, logs)["a.log"]
    )
    assert daemon.metric("nodelog_archive_read_bytes_total") - read < MIB  # it reused the first archive
    clock.set("+2d")
    daemon.cycle()
    assert names.list_archives()[0] == second
    assert len(names.list_archives()) == 2
    assert not names.list_leftovers()
