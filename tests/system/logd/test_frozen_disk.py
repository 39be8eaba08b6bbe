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
LINES = 25_000  # of each client; more than the sockets of all of them hold


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
            loads = [
                stack.enter_context(LineSender(collector, name, lines=LINES)) for name in ("a", "b", "c")
            ]
            wait_for(lambda: waiting_write(collector))
            assert f"a write to {collector.log} has been waiting" in waiting_write(collector)
            so_far = seconds_waited(collector)
            with LineEndMonitor(collector):
                wait_for(lambda: seconds_waited(collector) > so_far)
            assert collector.peak_rss() < 100 * MIB
        collector.wait_ready()
        for load in loads:
            load.join()
    assert collector.stop() == 0
    assert_each_line_once(collector.log, {load.name: LINES for load in loads})


def test_a_disk_that_is_frozen_at_the_start_is_waited_for_and_does_not_stall_the_loop(
    freezable: FreezableDisk, logd: StartLogd
) -> None:
    with freezable.frozen():
        collector = logd(log=freezable.path / "node_log", ready=False)
        with LineSender(collector, "a", lines=1000) as load:
            wait_for(lambda: collector.get_json("/status")[1]["uptime_seconds"] > 2)
            wait_for(lambda: collector.get_json("/healthz")[1]["heartbeat_age_seconds"] < 1)
            assert collector.readyz()[0] == 503
    collector.wait_ready()
    load.join()
    assert collector.stop() == 0
    assert_each_line_once(collector.log, {"a": 1000})


def test_sigterm_while_the_disk_is_frozen_says_in_time_what_is_lost(
    freezable: FreezableDisk, logd: StartLogd
) -> None:
    collector = logd("--grace=1s", log=freezable.path / "node_log")
    with freezable.frozen(), LineSender(collector, "a"):
        wait_for(lambda: collector.get_json("/status")[1]["held_bytes"] > MIB)
        collector.signal(signal.SIGTERM)
        wait_for(lambda: collector.records("are lost"))
    assert collector.wait() == 1  # no process ends while the kernel holds one of its threads
    collector.restart()
    assert collector.stop() == 0
    found = line_numbers(collector.log).get("a", [])
    assert found == list(range(len(found)))
