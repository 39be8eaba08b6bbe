from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from tests.numbered_lines import LineSender, assert_each_line_once, line, sealed_files
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.faults.fake_clock import FakeClock
    from tests.processes.logd import Logd, StartLogd

pytest_plugins = ["tests.faults.fake_clock"]

NAME = re.compile(r"node_log-(\d{8}T\d{6}Z)-(\d{8})\.log(?:\.gz)?")


def stamps(logd: Logd) -> list[str]:
    """Return the times in the names of the sealed files, ordered by their unique numbers."""
    found = {match[2]: match[1] for path in logd.log.parent.iterdir() if (match := NAME.fullmatch(path.name))}
    assert len(found) == len(sealed_files(logd.log))
    return [found[number] for number in sorted(found)]


def sealed_count(logd: Logd) -> int:
    return len(sealed_files(logd.log))


def seal(logd: Logd) -> None:
    """Seal the log, which must not be empty, and wait for it."""
    before = sealed_count(logd)
    logd.signal(signal.SIGHUP)
    wait_for(lambda: sealed_count(logd) > before, "the log is sealed")


def test_sighup_twice_in_a_second_loses_nothing(logd: StartLogd) -> None:
    collector = logd()
    with LineSender(collector, "a", pause=0.002) as sender:
        wait_for(lambda: sender.sent > 1000)
        collector.signal(signal.SIGHUP)
        collector.signal(signal.SIGHUP)
        wait_for(lambda: sealed_count(collector) >= 1)
        sent = sender.sent
        wait_for(lambda: sender.sent > sent + 1000)
        sender.finish()
    assert collector.stop() == 0
    assert len(stamps(collector)) in {1, 2}  # the log may be empty between the two
    assert_each_line_once(collector.log, {"a": sender.sent})


def test_sighup_does_not_seal_an_empty_log(logd: StartLogd) -> None:
    collector = logd()
    collector.signal(signal.SIGHUP)
    assert collector.stop() == 0
    assert stamps(collector) == []


def test_a_hundred_rotations_in_a_row_lose_and_duplicate_nothing(logd: StartLogd) -> None:
    collector = logd("--rotate-size=64KiB")
    with LineSender(collector, "a", pause=0.002) as first, LineSender(collector, "b", pause=0.002) as second:
        wait_for(lambda: sealed_count(collector) >= 100)
        first.finish()
        second.finish()
    assert collector.stop() == 0
    assert len(stamps(collector)) >= 100
    assert_each_line_once(collector.log, {"a": first.sent, "b": second.sent})


def test_a_log_is_sealed_by_age_unless_it_is_empty(logd: StartLogd) -> None:
    collector = logd("--rotate-age=1s")
    collector.send(line("a", 0))
    wait_for(lambda: sealed_count(collector) == 1)
    collector.send(line("a", 1))
    wait_for(lambda: sealed_count(collector) == 2)
    assert collector.stop() == 0
    assert len(stamps(collector)) == 2
    assert_each_line_once(collector.log, {"a": 2})


def test_the_age_of_a_log_continues_over_a_restart(logd: StartLogd, clock: FakeClock) -> None:
    collector = logd("--rotate-age=1d", prefix=clock.prefix)
    collector.send(line("a", 0))
    assert collector.stop() == 0
    clock.set("+2d")
    collector.restart()
    wait_for(lambda: sealed_count(collector) == 1)
    wait_for(lambda: collector.metric("nodelog_rotations_total") == 1)


def test_a_clock_set_back_changes_neither_order_nor_numbers(logd: StartLogd, clock: FakeClock) -> None:
    collector = logd("--rotate-age=1d", prefix=clock.prefix)
    with LineSender(collector, "a", pause=0.002) as sender:
        wait_for(lambda: sender.sent > 1000)
        seal(collector)
        clock.set("-1d")
        sent = sender.sent
        wait_for(lambda: sender.sent > sent + 1000)
        seal(collector)
        sent = sender.sent
        wait_for(lambda: sender.sent > sent + 1000)
        sender.finish()
    collector.restart()
    seal(collector)
    collector.restart()
    assert collector.metric("nodelog_rotations_total") == 0  # a file with a future start is not old
    assert collector.stop() == 0
    before, *after = stamps(collector)
    assert len(after) == 2
    assert max(after) < before
    assert_each_line_once(collector.log, {"a": sender.sent})


def test_age_never_removes_the_newest_three_whatever_the_clock_shows(
    logd: StartLogd, clock: FakeClock
) -> None:
    collector = logd("--keep-age=1h", prefix=clock.prefix)
    for number in range(5):
        collector.send(line("a", number))
        seal(collector)
    clock.set("+1y")
    collector.send(line("a", 5))
    collector.signal(signal.SIGHUP)
    wait_for(lambda: sealed_count(collector) == 3)
    assert collector.stop() == 0
    assert len(collector.records("removed by --keep-age")) == 3
    assert [path.name.split(".")[0][-1] for path in sealed_files(collector.log)] == ["4", "5", "6"]
