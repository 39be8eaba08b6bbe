"""When a driver acts and how long it waits; test_driver_connections.py has its connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nodelog.shipping.driver import LINGER_SECONDS, NEVER
from nodelog.shipping.network.path_check import CHECK_SECONDS
from nodelog.spool.blocks import SpoolError
from nodelog.spool.file_spool import FileSpool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.client.shipping.driver_harness import Clock, MakeHarness
    from tests.client.shipping.fake_collector import FakeCollector


def test_it_does_not_connect_before_the_first_line(
    make_harness: MakeHarness, collector: FakeCollector, clock: Clock
) -> None:
    harness = make_harness(collector.port)
    assert harness.driver.step(is_ready=False) == NEVER
    assert not harness.driver.connection
    harness.queue.offer(b"a")
    assert harness.wakeups
    assert harness.driver.step(is_ready=False) == pytest.approx(LINGER_SECONDS)
    assert harness.driver.connection
    harness.step_until(lambda: not harness.queue.unacknowledged)
    clock.now += LINGER_SECONDS
    assert harness.driver.step(is_ready=False) == NEVER
    assert collector.lines == [b"a"]


def test_with_a_memory_spool_a_line_does_not_wake_a_driver_that_awaits_an_ack(
    make_harness: MakeHarness, collector: FakeCollector, clock: Clock
) -> None:
    harness = make_harness(collector.port)
    harness.queue.offer(b"a")
    harness.step_until(lambda: not harness.queue.unacknowledged)
    clock.now += LINGER_SECONDS
    assert harness.driver.step(is_ready=False) == NEVER
    collector.acks = False
    harness.queue.offer(b"b")
    wakeups = harness.wakeups
    assert harness.driver.step(is_ready=False) == pytest.approx(LINGER_SECONDS)
    clock.now += CHECK_SECONDS
    assert harness.driver.step(is_ready=False) == CHECK_SECONDS
    harness.queue.offer(b"c")
    assert harness.wakeups == wakeups
    harness.queue.offer(b"x" * 65_536)
    assert harness.wakeups == wakeups + 1


def test_a_line_that_follows_within_the_linger_time_does_not_wake_it(
    make_harness: MakeHarness, collector: FakeCollector, clock: Clock
) -> None:
    harness = make_harness(collector.port)
    harness.queue.offer(b"a")
    harness.step_until(lambda: not harness.queue.unacknowledged)
    wakeups = harness.wakeups
    clock.now += LINGER_SECONDS / 2
    assert harness.driver.step(is_ready=False) == pytest.approx(LINGER_SECONDS / 2)
    harness.queue.offer(b"b")
    assert harness.wakeups == wakeups
    clock.now += LINGER_SECONDS
    harness.step_until(lambda: not harness.queue.unacknowledged)
    clock.now += LINGER_SECONDS
    assert harness.driver.step(is_ready=False) == NEVER
    harness.queue.offer(b"c")
    assert harness.wakeups == wakeups + 1


def test_with_a_file_spool_a_line_always_wakes_it(
    make_harness: MakeHarness, tmp_path: Path, clock: Clock
) -> None:
    spool = FileSpool(tmp_path / "spool")
    harness = make_harness(1, spool=spool)
    spool.append([b"a"])
    harness.step_until(lambda: harness.messages)
    assert harness.driver.step(is_ready=False) == pytest.approx(0.1)
    harness.queue.offer(b"b")
    assert harness.wakeups
    assert harness.driver.step(is_ready=False) == pytest.approx(LINGER_SECONDS)
    assert spool.lines == 2
    clock.now += 1


def test_a_spool_that_cannot_be_used_is_tried_again_in_a_second(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = make_harness(1)

    def fail(_: object) -> None:
        raise SpoolError("no")

    monkeypatch.setattr(harness.spool, "append", fail)
    harness.queue.offer(b"a")
    assert harness.driver.step(is_ready=False) == 1.0


def test_it_is_finished_when_its_time_is_over_whatever_is_left(
    make_harness: MakeHarness, clock: Clock
) -> None:
    harness = make_harness(1)
    harness.spool.append([b"a"])
    harness.driver.step(is_ready=False)
    harness.driver.finish(3)
    assert harness.driver.step(is_ready=False) <= 3
    is_finished = [harness.driver.is_finished]
    clock.now += 3
    assert [*is_finished, harness.driver.is_finished] == [False, True]


def test_it_is_finished_when_nothing_is_left_and_the_connection_was_closed_in_order(
    make_harness: MakeHarness, collector: FakeCollector
) -> None:
    harness = make_harness(collector.port)
    harness.queue.offer(b"a")
    harness.step_until(lambda: not harness.queue.unacknowledged)
    harness.driver.finish(30)
    assert not harness.driver.is_finished
    harness.step_until(lambda: harness.driver.is_finished)
    harness.driver.close()
    assert collector.closed == 1


def test_it_is_finished_at_once_if_there_was_nothing_to_send(make_harness: MakeHarness) -> None:
    harness = make_harness(1)
    harness.driver.finish(30)
    harness.driver.step(is_ready=False)
    assert harness.driver.is_finished


def test_no_line_is_accepted_after_close(make_harness: MakeHarness) -> None:
    harness = make_harness(1)
    harness.driver.close()
    with pytest.raises(ValueError, match="the shipper is closed"):
        harness.queue.offer(b"a")
