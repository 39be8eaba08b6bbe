"""`logcd --once` as a CronJob sees it: files, messages and exit codes."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from tests.archive_contents import archive_contents
from tests.processes.logcd import (
    ARCHIVE_NAME,
    AS_NOBODY,
    logcd_once_writing,
    run_logcd_once,
    write_incompressible,
)
from tests.waiting import PATIENCE

from nodelogd.compressor.archive.previous_archive import file_identity_at
from nodelogd.compressor.upkeep.archive_names import ArchiveNames
from nodelogd.compressor.upkeep.cycle_lock import hold_cycle_lock

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


def log_records(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_success_exits_0_without_output(logs: Path) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    done = run_logcd_once(logs)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert archive_contents(logs / ARCHIVE_NAME, logs) == {"a.log": b"one\n"}


def test_nothing_new_exits_0_and_writes_nothing(logs: Path) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    assert run_logcd_once(logs).returncode == 0
    before = file_identity_at(logs / ARCHIVE_NAME)
    assert run_logcd_once(logs).returncode == 0
    assert file_identity_at(logs / ARCHIVE_NAME) == before


def test_no_file_exits_4_with_a_message(logs: Path) -> None:
    done = run_logcd_once(logs)
    assert done.returncode == 4
    (record,) = log_records(done)
    assert record["message"] == f"no file matches in {logs}; the archive is left as it is"
    assert not (logs / ARCHIVE_NAME).exists()


def test_a_missing_directory_exits_1_with_a_message(logs: Path) -> None:
    logs.rmdir()
    done = run_logcd_once(logs)
    assert done.returncode == 1
    (record,) = log_records(done)
    assert record["message"].startswith(f"cannot update the archive of {logs}: No such file or directory: ")
    assert record["message"].endswith("; the last archive is unchanged")


def test_an_unreadable_file_exits_3_and_the_rest_is_archived(nobodys_logs: Path) -> None:
    logs = nobodys_logs
    for name in ("a.log", "secret.log"):
        (logs / name).write_bytes(b"one\n")
    (logs / "secret.log").chmod(0o600)
    done = run_logcd_once(logs, prefix=AS_NOBODY)
    assert done.returncode == 3, done.stderr
    (record,) = log_records(done)
    assert record["path"] == str(logs / "secret.log")
    assert "Permission denied" in record["message"]
    assert archive_contents(logs / ARCHIVE_NAME, logs) == {"a.log": b"one\n"}
    before = file_identity_at(logs / ARCHIVE_NAME)
    assert run_logcd_once(logs, prefix=AS_NOBODY).returncode == 3
    assert file_identity_at(logs / ARCHIVE_NAME) == before  # an unreadable file is no change


def test_no_readable_file_exits_1_and_leaves_the_last_archive(nobodys_logs: Path) -> None:
    logs = nobodys_logs
    (logs / "a.log").write_bytes(b"one\n")
    assert run_logcd_once(logs, prefix=AS_NOBODY).returncode == 0
    (logs / "a.log").chmod(0)
    done = run_logcd_once(logs, prefix=AS_NOBODY)
    assert done.returncode == 1, done.stderr
    text = (
        f"cannot update the archive of {logs}: none of 1 files could be read; the last archive is unchanged"
    )
    assert log_records(done)[-1]["message"] == text
    assert archive_contents(logs / ARCHIVE_NAME, logs) == {"a.log": b"one\n"}


def test_beside_another_process_once_exits_0_and_does_nothing(logs: Path) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    with hold_cycle_lock(ArchiveNames(logs, ARCHIVE_NAME).lock, lambda _: False):
        done = run_logcd_once(logs)
    assert done.returncode == 0
    (record,) = log_records(done)
    assert f"is held by process {os.getpid()} on " in record["message"]
    assert "which updates the archive; nothing to do" in record["message"]
    assert not (logs / ARCHIVE_NAME).exists()


def test_once_opens_no_port(logs: Path) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    done = run_logcd_once(
        logs, prefix=["strace", "-f", "-e", "trace=socket,bind,listen", "-o", str(logs / "trace")]
    )
    assert done.returncode == 0
    assert "socket(AF_INET" not in (logs / "trace").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_once_immediately_without_leftovers(logs: Path, number: int) -> None:
    write_incompressible(logs / "a.log")
    with logcd_once_writing(logs) as process:
        process.send_signal(number)
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert "stopped by a signal; the last archive is unchanged" in stderr
    assert sorted(path.name for path in logs.iterdir()) == [
        f".{ARCHIVE_NAME}.lock",
        f".{ARCHIVE_NAME}.record",
        f".{ARCHIVE_NAME}.scrubbed",
        "a.log",
    ]
