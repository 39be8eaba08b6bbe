from __future__ import annotations

import re
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.monitors import LineEndMonitor, LivenessMonitor
from tests.numbered_lines import LineSender, assert_each_line_once, line_numbers
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.faults.mounts import FreezableDisk
    from tests.processes.logd import Logd, StartLogd

MIB = 1024 * 1024
LINES = 25_000  # per client; more than all their sockets can hold


def waiting_write(logd: Logd) -> str:
    return str(logd.readyz()[1]["reasons"].get("stall", ""))


def seconds_waited(logd: Logd) -> int:
    found = re.search(r"has been waiting for (\d+) s", waiting_write(logd))
    return int(found[1]) if found else 0


def test_a_disk_that_freezes_under_load_loses_nothing(freezable: FreezableDisk, logd: StartLogd) -> None:
    collector = logd("--rotate-size=4MiB", log=freezable.path / "node_log")
    with ExitStack() as stack:
        stack.enter_context(LivenessMonitor(collector))
        with freezable.frozen():
            senders = [
                stack.enter_context(LineSender(collector, name, lines=LINES)) for name in ("a", "b", "c")
            ]
            wait_for(lambda: waiting_write(collector))
            assert f"a write to {collector.log} has been waiting" in waiting_write(collector)
            earlier = seconds_waited(collector)
            with LineEndMonitor(collector):
                wait_for(lambda: seconds_waited(collector) > earlier)
            assert collector.peak_rss() < 100 * MIB
        collector.wait_ready()
        for sender in senders:
            sender.join()
    assert collector.stop() == 0
    assert_each_line_once(collector.log, {sender.name: LINES for sender in senders})


def test_a_frozen_disk_at_startup_is_waited_for_without_stalling_the_loop(
    freezable: FreezableDisk, logd: StartLogd
) -> None:
    with freezable.frozen():
        collector = logd(log=freezable.path / "node_log", ready=False)
        with LineSender(collector, "a", lines=1000) as sender:
            wait_for(lambda: collector.get_json("/status")[1]["uptime_seconds"] > 2)
            wait_for(lambda: collector.get_json("/healthz")[1]["heartbeat_age_seconds"] < 1)
            assert collector.readyz()[0] == 503
    collector.wait_ready()
    sender.join()
    assert collector.stop() == 0
    assert_each_line_once(collector.log, {"a": 1000})


def test_sigterm_while_the_disk_is_frozen_logs_in_time_what_is_lost(
    freezable: FreezableDisk, logd: StartLogd
) -> None:
    collector = logd("--grace=1s", log=freezable.path / "node_log")
    with freezable.frozen(), LineSender(collector, "a"):
        wait_for(lambda: collector.get_json("/status")[1]["held_bytes"] > MIB)
        collector.signal(signal.SIGTERM)
        wait_for(lambda: collector.records("are lost"))
    assert collector.wait() == 1  # a process cannot end while the kernel blocks one of its threads
    collector.restart()
    assert collector.stop() == 0
    found = line_numbers(collector.log).get("a", [])
    assert found == list(range(len(found)))
