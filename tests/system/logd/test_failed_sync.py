from __future__ import annotations

import errno
import shutil
import signal
from typing import TYPE_CHECKING

import pytest
from tests.numbered_lines import LineSender, assert_each_line_once, line, sealed_files, wait_until_written
from tests.waiting import wait_for

from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.journal_format import decode

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.libfiu import Faults
    from tests.processes.logd import Logd, StartLogd


def failures(collector: Logd) -> float:
    return collector.metric("nodelog_write_failures_total")


def test_after_a_failed_background_sync_the_file_is_sealed_and_a_new_one_started(
    logd: StartLogd, faults: Faults
) -> None:
    collector = logd("--sync=interval=300ms", prefix=faults.prefix)
    faults.fail_once(collector, "posix/io/sync/fdatasync", errno.EIO)
    with LineSender(collector, "a", pause=0.01) as sender:
        wait_for(lambda: sealed_files(collector.log))
        wait_for(lambda: collector.records("a sync in the background failed"))
        (record,) = collector.records("a sync in the background failed")
        assert "Input/output error" in record["message"]
        sent = sender.sent
        wait_for(lambda: sender.sent > sent + 1000)
        sender.finish()
    assert collector.stop() == 0
    assert len(sealed_files(collector.log)) == 1
    assert_each_line_once(collector.log, {"a": sender.sent})


def test_failed_syncs_at_shutdown_are_logged_and_exit_with_1(logd: StartLogd, faults: Faults) -> None:
    collector = logd("--grace=1s", prefix=faults.prefix)
    collector.send(line("a", 0))
    collector.wait_for_text(line("a", 0).decode())
    with faults.failing(collector, "posix/io/sync/fdatasync", errno.EIO):
        collector.signal(signal.SIGTERM)
        wait_for(lambda: collector.records("stopped"))
    assert collector.wait() == 1
    assert collector.records("cannot sync")
    assert not collector.records("are lost")  # the kernel has them
    collector.restart()
    assert collector.stop() == 0
    assert_each_line_once(collector.log, {"a": 1})


@pytest.mark.parametrize(
    ("point", "error", "probability"),
    [
        ("posix/io/rw/pwrite", errno.EIO, 0.5),
        ("posix/io/sync/fsync", errno.EIO, 0.3),
        ("posix/io/sync/fdatasync", errno.EIO, 0.5),
        ("posix/io/oc/open", errno.EMFILE, 0.3),
    ],
)
def test_calls_that_fail_now_and_then_during_rotation_lose_nothing(
    logd: StartLogd, faults: Faults, point: str, error: int, probability: float
) -> None:
    collector = logd("--rotate-size=64KiB", prefix=faults.prefix)
    with LineSender(collector, "a", pause=0.001) as sender:
        with faults.failing(collector, point, error, probability=probability):
            wait_for(lambda: failures(collector) > 0)
        sent = sender.sent
        wait_for(lambda: sender.sent > sent + 5000)
        collector.wait_ready()
        assert collector.records("cannot ") or collector.records("a sync in the background failed")
        sender.finish()
    assert collector.stop() == 0
    assert_each_line_once(collector.log, {"a": sender.sent})


def test_a_journal_written_in_pieces_is_whole(logd: StartLogd, faults: Faults) -> None:
    collector = logd(prefix=faults.prefix)
    with (
        faults.failing(collector, "posix/io/rw/pwrite/reduce", 0, probability=0.7),
        LineSender(collector, "a", pause=0.001, lines=10_000) as sender,
    ):
        sender.join()
        wait_until_written(collector)
    assert failures(collector) == 0
    collector.kill()
    _, records = decode(FileNames.resolve(collector.log).journal.read_bytes())
    assert records[-1].end == collector.log.stat().st_size
    assert_each_line_once(collector.log, {"a": 10_000})


def test_temporarily_failing_writes_lose_nothing(logd: StartLogd, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    strace = ["strace", "-D", "-f", "-qq", "-o/dev/null", f"-P{tmp_path / 'node_log'}"]
    collector = logd(prefix=[*strace, "-einject=write:error=EIO:when=3..4"])
    with LineSender(collector, "a", pause=0.01) as sender:
        wait_for(lambda: collector.records("writing again"))
        assert failures(collector) == 2
        sender.finish()
    assert collector.stop() == 0
    assert_each_line_once(collector.log, {"a": sender.sent})
