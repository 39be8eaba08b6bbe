from __future__ import annotations

import threading

import pytest
from tests.client.shipping.line_queues import Wakes, carry, intake_of
from tests.waiting import wait_for

from nodelog.shipping.line_queue import FullPolicy, LineQueue
from nodelog.spool.blocks import BLOCK_BYTES
from nodelog.spool.memory_spool import MemorySpool


def test_lines_are_taken_in_order() -> None:
    intake = intake_of()
    assert all(intake.offer(line) for line in (b"a", b"b", b"c"))
    assert intake.take_batch() == [b"a", b"b", b"c"]
    assert intake.take_batch() == []
    assert intake.accepted == 3


def test_the_driver_is_woken_once_when_enough_is_there() -> None:
    wakes = Wakes()
    intake = LineQueue(100, FullPolicy.BLOCK, wakes)
    intake.offer(b"a")
    assert wakes.count == 0
    assert intake.request_wakeup(1)
    assert not intake.request_wakeup(5)
    intake.offer(b"b")
    assert wakes.count == 0
    intake.offer(b"c")
    intake.offer(b"d")
    assert wakes.count == 1


def test_about_a_block_is_taken_at_a_time() -> None:
    intake = intake_of(1 << 20)
    lines = [b"x" * 999] * 200
    for line in lines:
        intake.offer(line)
    taken = []
    while some := intake.take_batch():
        assert len(some) <= 66
        taken += some
    assert taken == lines


def test_what_could_not_be_kept_comes_first_again() -> None:
    intake = intake_of()
    intake.offer(b"a")
    intake.offer(b"b")
    lines = intake.take_batch()
    intake.offer(b"c")
    intake.put_back(lines)
    assert intake.unacknowledged == 3
    assert intake.take_batch() == [b"a", b"b", b"c"]


def test_nothing_is_taken_after_the_end() -> None:
    intake, spool = intake_of(), MemorySpool()
    intake.close()
    intake.sync_with_spool(spool)
    with pytest.raises(ValueError, match="the shipper is closed"):
        intake.offer(b"a")


def test_a_sender_that_waits_is_told_of_the_end() -> None:
    intake = intake_of(10)
    intake.offer(b"123456789")
    errors: list[ValueError] = []

    def send() -> None:
        try:
            intake.offer_blocking(b"x", None)
        except ValueError as error:
            errors.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    wait_for(lambda: intake._changed._waiters)  # type: ignore[attr-defined]
    intake.close()
    sender.join(30)
    assert len(errors) == 1


def test_a_watch_sees_what_was_there_and_not_what_comes_later() -> None:
    intake, spool = intake_of(), MemorySpool()
    intake.offer(b"a")
    kept, gone = intake.watch_unspooled(), intake.watch_unacknowledged()
    intake.offer(b"b")
    assert (kept(), gone()) == (1, 1)
    carry(intake, spool)
    assert (kept(), gone()) == (0, 1)
    assert intake.wait_until_zero(gone, 0.001) == 1
    spool.forget(spool.stream, 1)
    intake.sync_with_spool(spool)
    assert intake.wait_until_zero(gone, 30) == 0


def test_what_an_earlier_run_left_is_watched_too() -> None:
    intake, spool = intake_of(), MemorySpool()
    spool.append([b"old", b"older"])
    intake.sync_with_spool(spool)
    gone = intake.watch_unacknowledged()
    assert gone() == intake.unacknowledged == 2
    spool.drop_oldest(b"", 0)
    intake.sync_with_spool(spool)
    assert gone() == 1  # the line that tells of them
    spool.forget(spool.stream, 1)
    intake.sync_with_spool(spool)
    assert gone() == 0


def test_a_signal_handler_may_send_in_the_middle_of_sending() -> None:
    intake = intake_of()
    with intake._lock:
        assert intake.offer(b"from a handler")
    assert intake.unacknowledged == 1


def test_many_threads_lose_and_double_nothing() -> None:
    intake, spool = intake_of(4 * BLOCK_BYTES), MemorySpool()
    ended = threading.Event()

    def drive() -> None:
        while not ended.is_set() or intake.unacknowledged > spool.lines:
            carry(intake, spool)
            spool.removed += 0
            for block in list(spool.blocks(spool.stream))[:-1]:
                stored.append(spool.read(block))
                spool.forget(spool.stream, block.number)
            intake.sync_with_spool(spool)

    def send(name: int) -> None:
        for number in range(2000):
            line = b"%d %d" % (name, number)
            assert intake.offer(line) or intake.offer_blocking(line, 30)

    stored: list[bytes] = []
    driver = threading.Thread(target=drive)
    senders = [threading.Thread(target=send, args=(name,)) for name in range(4)]
    driver.start()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
    ended.set()
    driver.join(60)
    stored += [spool.read(block) for block in spool.blocks(spool.stream)]
    lines = b"".join(stored).splitlines()
    for name in range(4):
        mine = [line for line in lines if line.startswith(b"%d " % name)]
        assert mine == [b"%d %d" % (name, number) for number in range(2000)]
    assert intake.accepted == len(lines) == 8000
