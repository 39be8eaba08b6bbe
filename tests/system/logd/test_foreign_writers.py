from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest
from tests.numbered_lines import LineSender, assert_each_line_once, line, line_numbers, wait_until_written
from tests.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.logd import Logd, StartLogd


def foreign(collector: Logd, what: str = "") -> int:
    """Return how often logd has logged a change by another program."""
    return len(collector.records(f"another program changed the log ({what}"))


def wait_for_lines(sender: LineSender) -> None:
    """Wait until 1,000 more lines are sent."""
    target = sender.sent + 1000
    wait_for(lambda: sender.sent > target)


def append(log: Path, text: bytes) -> None:
    with log.open("ab", buffering=0) as file:
        file.write(text)


def assert_restarts(collector: Logd, end: str = "kill") -> None:
    """Fail unless the next start accepts the log as it is and appends to it."""
    wait_until_written(collector)
    wait_for(lambda: collector.metric("nodelog_foreign_writes_total") == foreign(collector))
    before = collector.log.read_bytes()
    getattr(collector, end)()
    collector.restart()
    collector.send(line("z", 0))
    assert collector.stop() == 0
    assert collector.log.read_bytes() == before + line("z", 0)
    assert list(collector.log.parent.glob("*torn*")) == []


def test_lines_appended_by_others_stay_between_our_lines(logd: StartLogd) -> None:
    collector = logd()
    with LineSender(collector, "a", pause=0.001) as first, LineSender(collector, "b", pause=0.001) as second:
        for number in range(50):
            append(collector.log, b"x %d\n" % number)
            wait_for(lambda sent=first.sent: first.sent > sent)  # type: ignore[misc]  # of this turn
        wait_for(lambda: foreign(collector, "appended") > 0)
        first.finish()
        second.finish()
    assert_restarts(collector, "stop")
    others = [b"x %d" % number for number in range(50)]
    assert_each_line_once(collector.log, {"a": first.sent, "b": second.sent, "z": 1}, foreign=others)
    assert [text for text in collector.log.read_bytes().splitlines() if text in others] == others


def test_half_a_line_of_another_program_is_ended_before_our_next_line(logd: StartLogd) -> None:
    collector = logd()
    collector.send(line("a", 0))
    wait_until_written(collector)
    append(collector.log, b"half")
    wait_for(lambda: foreign(collector, "appended") == 1)
    collector.send(line("a", 1))
    assert_restarts(collector)
    assert collector.log.read_bytes().startswith(line("a", 0) + b"half\n" + line("a", 1))


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_half_a_line_appended_while_logd_is_down_does_not_join_our_next_line(
    logd: StartLogd, end: str
) -> None:
    collector = logd()
    collector.send(line("a", 0))
    wait_until_written(collector)
    getattr(collector, end)()
    append(collector.log, b"x\nhalf")
    collector.restart()
    collector.send(line("a", 1))
    assert collector.stop() == 0
    assert_each_line_once(collector.log, {"a": 2}, foreign=[b"x", b"half"])
    (torn,) = collector.log.parent.glob("*torn*")
    assert torn.read_bytes() == b"half"


def test_a_log_truncated_under_load_continues_at_its_beginning(logd: StartLogd) -> None:
    collector = logd()
    with LineSender(collector, "a", pause=0.001) as sender:
        wait_for(lambda: collector.log.stat().st_size, "the log has lines")
        collector.log.write_bytes(b"")  # : > node_log
        wait_for(lambda: foreign(collector, "truncated") == 1)
        wait_for_lines(sender)
        sender.finish()
    assert_restarts(collector)
    found = line_numbers(collector.log)["a"]
    assert found == list(range(found[0], sender.sent))


def test_after_copytruncate_earlier_lines_are_in_the_copy_and_later_ones_in_the_log(
    logd: StartLogd,
) -> None:
    collector = logd()
    copy = collector.log.with_name("copy")
    collector.send(line("a", 0) + line("a", 1))
    wait_until_written(collector)
    shutil.copy(collector.log, copy)
    os.truncate(collector.log, 0)
    collector.send(line("a", 2))
    assert_restarts(collector)
    assert copy.read_bytes() == line("a", 0) + line("a", 1)
    assert collector.log.read_bytes().startswith(line("a", 2))


@pytest.mark.parametrize("hangup", [True, False])
def test_a_log_moved_away_keeps_its_lines_and_a_new_log_gets_the_next_ones(
    logd: StartLogd, *, hangup: bool
) -> None:
    collector = logd()
    moved = collector.log.with_name("moved")
    with LineSender(collector, "a", pause=0.001) as sender:
        wait_for_lines(sender)
        collector.log.rename(moved)
        if hangup:
            collector.signal(signal.SIGHUP)
        wait_for(collector.log.exists)
        wait_for_lines(sender)
        sender.finish()
    assert_restarts(collector)
    before, after = line_numbers(moved)["a"], line_numbers(collector.log)["a"]
    assert before + after == list(range(sender.sent))


def test_a_file_moved_onto_the_log_is_appended_to(logd: StartLogd) -> None:
    collector = logd()
    other = collector.log.with_name("other")
    other.write_bytes(b"foreign")
    with LineSender(collector, "a", pause=0.001) as sender:
        wait_for_lines(sender)
        other.rename(collector.log)
        wait_for(lambda: foreign(collector) == 1)
        wait_for_lines(sender)
        sender.finish()
    assert_restarts(collector)
    assert collector.log.read_bytes().startswith(b"foreign\n")
    found = line_numbers(collector.log, foreign=[b"foreign"])["a"]
    assert found == list(range(found[0], sender.sent))


def test_a_removed_log_is_created_again(logd: StartLogd) -> None:
    collector = logd()
    with LineSender(collector, "a", pause=0.001) as sender:
        wait_for_lines(sender)
        collector.log.unlink()
        wait_for(lambda: foreign(collector, "removed") == 1)
        wait_for(collector.log.exists)
        wait_for_lines(sender)
        sender.finish()
    assert_restarts(collector)
    found = line_numbers(collector.log)["a"]
    assert found == list(range(found[0], sender.sent))


def test_a_store_removed_while_logd_is_down_is_created_again(logd: StartLogd) -> None:
    collector = logd()
    collector.send(line("a", 0))
    assert collector.stop() == 0
    for path in collector.log.parent.glob("*node_log*"):
        path.unlink()
    collector.restart()
    collector.send(line("a", 0))
    assert_restarts(collector)
    assert_each_line_once(collector.log, {"a": 1, "z": 1})
