from __future__ import annotations

import re
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.monitors import LineEndMonitor, LivenessMonitor
from tests.numbered_lines import LineSender, assert_each_line_once, line_numbers, sealed_files
from tests.waiting import wait_for

from nodelogd.collector.store.file_names import FileNames

if TYPE_CHECKING:
    from tests.faults.mounts import SmallDisk
    from tests.processes.logd import Logd, StartLogd

MIB = 1024 * 1024

LINES = 25_000  # per client; more than all their sockets can hold
FULL_FOR = 1.1  # seconds that the disk stays full: longer than the retry interval


def not_ready_text(logd: Logd) -> str:
    status, page = logd.readyz()
    return " ".join(page["reasons"].values()) if status == 503 else ""


def wait_uptime(logd: Logd, seconds: float) -> None:
    """Wait until logd has run for this many more seconds."""
    start = logd.get_json("/status")[1]["uptime_seconds"]
    wait_for(lambda: logd.get_json("/status")[1]["uptime_seconds"] > start + seconds)


@pytest.mark.parametrize("rotate_size", ["256MiB", "1MiB"])
def test_a_disk_that_fills_up_under_load_loses_nothing(
    small_disk: SmallDisk, logd: StartLogd, rotate_size: str
) -> None:
    collector = logd(f"--rotate-size={rotate_size}", log=small_disk.path / "node_log")
    small_disk.fill(but=2 * MIB)
    with ExitStack() as stack:
        stack.enter_context(LivenessMonitor(collector))
        senders = [stack.enter_context(LineSender(collector, name, lines=LINES)) for name in ("a", "b", "c")]
        wait_for(lambda: "No space left on device" in not_ready_text(collector))
        assert str(collector.log) in not_ready_text(collector)
        with LineEndMonitor(collector):
            wait_uptime(collector, FULL_FOR)
        assert collector.metric("nodelog_paused_seconds_total") > 0
        assert collector.peak_rss() < 100 * MIB
        small_disk.clear()
        collector.wait_ready()
        for sender in senders:
            sender.join()
    assert collector.stop() == 0
    assert_each_line_once(collector.log, {sender.name: LINES for sender in senders})


def test_a_full_disk_at_startup_is_waited_for(small_disk: SmallDisk, logd: StartLogd) -> None:
    small_disk.fill()
    collector = logd(log=small_disk.path / "node_log", ready=False)
    with LivenessMonitor(collector), LineSender(collector, "a", lines=1000) as sender:
        wait_for(lambda: "No space left on device" in not_ready_text(collector))
        wait_for(lambda: collector.metric("nodelog_connections_accepted_total") == 1)
        small_disk.clear()
        collector.wait_ready()
        sender.join()
    assert collector.stop() == 0
    assert_each_line_once(collector.log, {"a": 1000})


def test_sigterm_while_the_disk_is_full_exits_in_time_and_logs_what_is_lost(
    small_disk: SmallDisk, logd: StartLogd
) -> None:
    collector = logd("--grace=1s", log=small_disk.path / "node_log")
    small_disk.fill(but=MIB)
    with LineSender(collector, "a", lines=4 * LINES):
        wait_for(lambda: "No space left on device" in not_ready_text(collector))
        held = collector.get_json("/status")[1]["held_bytes"]
        collector.signal(signal.SIGTERM)
        assert collector.wait() == 1
    (record,) = collector.records("are lost")
    lost = re.search(r"cannot write (\d+) bytes", record["message"])
    assert lost is not None
    assert int(lost[1]) >= held > 0  # it still reads from the connections while its buffer has room
    small_disk.clear()
    (found,) = line_numbers(collector.log).values()
    assert found == list(range(len(found)))


def test_sigterm_at_startup_on_a_full_disk_exits_in_time(small_disk: SmallDisk, logd: StartLogd) -> None:
    small_disk.fill()
    collector = logd("--grace=1s", log=small_disk.path / "node_log", ready=False)
    wait_for(lambda: "No space left on device" in not_ready_text(collector))
    assert collector.stop() == 0
    collector.restart(ready=False)
    small_disk.clear()
    collector.wait_ready()


def test_a_log_larger_than_its_disk_continues_by_removing_the_oldest_files(
    small_disk: SmallDisk, logd: StartLogd
) -> None:
    small_disk.fill(but=20 * MIB)
    collector = logd("--rotate-size=1MiB", "--keep-free=10%", log=small_disk.path / "node_log")
    with LineSender(collector, "a", lines=8 * LINES, noisy=True) as sender:
        sender.join()
        wait_for(lambda: collector.records("removed by --keep-free"))
    assert collector.stop() == 0
    (found,) = line_numbers(collector.log).values()
    assert found[0] > 0
    assert found == list(range(found[0], 8 * LINES))


def test_startup_on_a_full_disk_frees_space_first(small_disk: SmallDisk, logd: StartLogd) -> None:
    log = small_disk.path / "node_log"
    oldest, newest = (FileNames(log).sealed_path(number, 0.0) for number in (1, 2))
    oldest.write_bytes(bytes(16 * MIB))
    newest.write_bytes(b"line\n")
    small_disk.fill()
    collector = logd("--keep-free=10%", log=log)
    assert not oldest.exists()
    assert collector.records("cannot") == []
    assert collector.stop() == 0
    assert [path.name.partition(".")[0] for path in sealed_files(log)] == [newest.stem]
