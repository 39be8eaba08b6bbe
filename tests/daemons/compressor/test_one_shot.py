"""`logcd --run_logcd_once` as a CronJob sees it: what it leaves, what it says, how it exits."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from tests.archive_contents import archive_contents
from tests.processes.logcd import ARCHIVE_NAME, AS_NOBODY, logcd_once_writing, run_logcd_once
from tests.waiting import PATIENCE

from nodelogd.compressor.archive.previous_archive import stamp_of
from nodelogd.compressor.upkeep.archive_names import Names
from nodelogd.compressor.upkeep.cycle_lock import locked

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


def said(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_done_is_0_and_silent(logs: Path) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    done = run_logcd_once(logs)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert archive_contents(logs / ARCHIVE_NAME, logs) == {"a.log": b"one\n"}


def test_nothing_new_is_0_and_writes_nothing(logs: Path) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    assert run_logcd_once(logs).returncode == 0
    before = stamp_of(logs / ARCHIVE_NAME)
    assert run_logcd_once(logs).returncode == 0
    assert stamp_of(logs / ARCHIVE_NAME) == before


def test_no_file_at_all_is_0_and_said(logs: Path) -> None:
    done = run_logcd_once(logs)
    assert done.returncode == 0
    (record,) = said(done)
    assert record["message"] == f"no file matches in {logs}; what is archived stays as it is"
    assert not (logs / ARCHIVE_NAME).exists()


def test_a_directory_that_is_missing_is_1_and_said(logs: Path) -> None:
    logs.rmdir()
    done = run_logcd_once(logs)
    assert done.returncode == 1
    (record,) = said(done)
    assert record["message"].startswith(f"cannot make an archive of {logs}: No such file or directory: ")
    assert record["message"].endswith("; the last archive stands")


def test_a_file_that_cannot_be_read_is_3_and_the_rest_is_archived(nobodys_logs: Path) -> None:
    logs = nobodys_logs
    for name in ("a.log", "secret.log"):
        (logs / name).write_bytes(b"one\n")
    (logs / "secret.log").chmod(0o600)
    done = run_logcd_once(logs, prefix=AS_NOBODY)
    assert done.returncode == 3, done.stderr
    (record,) = said(done)
    assert record["path"] == str(logs / "secret.log")
    assert "Permission denied" in record["message"]
    assert archive_contents(logs / ARCHIVE_NAME, logs) == {"a.log": b"one\n"}
    before = stamp_of(logs / ARCHIVE_NAME)
    assert run_logcd_once(logs, prefix=AS_NOBODY).returncode == 3
    assert stamp_of(logs / ARCHIVE_NAME) == before  # that it cannot be read is no news


def test_no_file_that_can_be_read_is_1_and_leaves_the_last_archive(nobodys_logs: Path) -> None:
    logs = nobodys_logs
    (logs / "a.log").write_bytes(b"one\n")
    assert run_logcd_once(logs, prefix=AS_NOBODY).returncode == 0
    (logs / "a.log").chmod(0)
    done = run_logcd_once(logs, prefix=AS_NOBODY)
    assert done.returncode == 1, done.stderr
    text = f"cannot make an archive of {logs}: none of 1 files could be read; the last archive stands"
    assert said(done)[-1]["message"] == text
    assert archive_contents(logs / ARCHIVE_NAME, logs) == {"a.log": b"one\n"}


def test_beside_another_one_there_is_nothing_to_do(logs: Path) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    with locked(Names(logs, ARCHIVE_NAME).lock, lambda _: False):
        done = run_logcd_once(logs)
    assert done.returncode == 0
    (record,) = said(done)
    assert f"is held by process {os.getpid()} on " in record["message"]
    assert "which makes the archive; nothing to do" in record["message"]
    assert not (logs / ARCHIVE_NAME).exists()


def test_it_opens_no_port(logs: Path) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    done = run_logcd_once(
        logs, prefix=["strace", "-f", "-e", "trace=socket,bind,listen", "-o", str(logs / "trace")]
    )
    assert done.returncode == 0
    assert "socket(AF_INET" not in (logs / "trace").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once_and_leaves_nothing(logs: Path, number: int) -> None:
    with (logs / "a.log").open("wb") as file:
        file.truncate(64 * 1024**3)
        file.seek(0, os.SEEK_END)
        file.write(b"\n")
    with logcd_once_writing(logs) as process:
        process.send_signal(number)
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert "stopped by a signal; the last archive stands" in stderr
    assert sorted(path.name for path in logs.iterdir()) == [
        f".{ARCHIVE_NAME}.lock",
        f".{ARCHIVE_NAME}.scrubbed",
        "a.log",
    ]
