from __future__ import annotations

import threading

import pytest
from tests.client.shipping.line_queue_harness import WakeupCounter, make_queue, move_to_spool
from tests.waiting import wait_for

from nodelog.shipping.line_queue import FullPolicy, LineQueue
from nodelog.spool.blocks import BLOCK_BYTES
from nodelog.spool.memory_spool import MemorySpool


def test_lines_are_taken_in_order() -> None:
    queue = make_queue()
    assert all(queue.offer(line) for line in (b"a", b"b", b"c"))
    assert queue.take_batch() == [b"a", b"b", b"c"]
    assert queue.take_batch() == []
    assert queue.accepted == 3


def test_the_driver_is_woken_once_when_enough_is_there() -> None:
    wakeups = WakeupCounter()
    queue = LineQueue(100, FullPolicy.BLOCK, wakeups)
    queue.offer(b"a")
    assert wakeups.count == 0
    assert queue.request_wakeup(1)
    assert not queue.request_wakeup(5)
    queue.offer(b"b")
    assert wakeups.count == 0
    queue.offer(b"c")
    queue.offer(b"d")
    assert wakeups.count == 1


def test_about_a_block_is_taken_at_a_time() -> None:
    queue = make_queue(1 << 20)
    lines = [b"x" * 999] * 200
    for line in lines:
        queue.offer(line)
    taken = []
    while some := queue.take_batch():
        assert len(some) <= 66
        taken += some
    assert taken == lines


def test_lines_that_were_put_back_come_first_again() -> None:
    queue = make_queue()
    queue.offer(b"a")
    queue.offer(b"b")
    lines = queue.take_batch()
    queue.offer(b"c")
    queue.put_back(lines)
    assert queue.unacknowledged == 3
    assert queue.take_batch() == [b"a", b"b", b"c"]


def test_no_line_is_accepted_after_close() -> None:
    queue, spool = make_queue(), MemorySpool()
    queue.close()
    queue.sync_with_spool(spool)
    with pytest.raises(ValueError, match="the shipper is closed"):
        queue.offer(b"a")


def test_close_wakes_a_sender_that_waits_with_an_error() -> None:
    queue = make_queue(10)
    queue.offer(b"123456789")
    errors: list[ValueError] = []

    def send() -> None:
        try:
            queue.offer_blocking(b"x", None)
        except ValueError as error:
            errors.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    wait_for(lambda: queue._changed._waiters)
    queue.close()
    sender.join(30)
    assert len(errors) == 1


def test_a_watch_counts_the_lines_before_it_and_none_after_it() -> None:
    queue, spool = make_queue(), MemorySpool()
    queue.offer(b"a")
    kept, gone = queue.watch_unspooled(), queue.watch_unacknowledged()
    queue.offer(b"b")
    assert (kept(), gone()) == (1, 1)
    move_to_spool(queue, spool)
    assert (kept(), gone()) == (0, 1)
    assert queue.wait_until_zero(gone, 0.001) == 1
    spool.forget(spool.stream, 1)
    queue.sync_with_spool(spool)
    assert queue.wait_until_zero(gone, 30) == 0


def test_a_watch_counts_the_lines_of_earlier_runs_too() -> None:
    queue, spool = make_queue(), MemorySpool()
    spool.append([b"old", b"older"])
    queue.sync_with_spool(spool)
    gone = queue.watch_unacknowledged()
    assert gone() == queue.unacknowledged == 2
    spool.drop_oldest(b"", 0)
    queue.sync_with_spool(spool)
    assert gone() == 1  # the drop notice
    spool.forget(spool.stream, 1)
    queue.sync_with_spool(spool)
    assert gone() == 0


def test_a_signal_handler_may_send_in_the_middle_of_sending() -> None:
    queue = make_queue()
    with queue._lock:
        assert queue.offer(b"from a handler")
    assert queue.unacknowledged == 1


def test_many_threads_lose_and_duplicate_nothing() -> None:
    queue, spool = make_queue(4 * BLOCK_BYTES), MemorySpool()
    ended = threading.Event()

    def drive() -> None:
        while not ended.is_set() or queue.unacknowledged > spool.lines:
            move_to_spool(queue, spool)
            spool.removed += 0
            for block in list(spool.blocks(spool.stream))[:-1]:
                stored.append(spool.read(block))
                spool.forget(spool.stream, block.number)
            queue.sync_with_spool(spool)

    def send(name: int) -> None:
        for number in range(2000):
            line = b"%d %d" % (name, number)
            assert queue.offer(line) or queue.offer_blocking(line, 30)

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
    assert queue.accepted == len(lines) == 8000
