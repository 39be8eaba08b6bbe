"""What happens to lines that a queue has no room for."""

from __future__ import annotations

import threading

from tests.client.shipping.line_queue_harness import make_queue, move_to_spool

from nodelog.shipping.line_queue import FullPolicy
from nodelog.spool.memory_spool import MemorySpool


def test_lines_in_the_spool_take_room() -> None:
    queue, spool = make_queue(10), MemorySpool()
    assert queue.offer(b"12345")
    move_to_spool(queue, spool)
    assert not queue.offer(b"12345")
    assert queue.offer(b"123")
    move_to_spool(queue, spool)
    spool.forget(spool.stream, 1)
    queue.sync_with_spool(spool)
    assert queue.offer(b"123456789")


def test_a_line_larger_than_the_limit_is_accepted_when_nothing_else_is_held() -> None:
    queue = make_queue(10)
    assert queue.offer(b"x" * 50)
    assert not queue.offer(b"")


def test_refused_lines_are_reported_before_the_next_line_that_is_accepted() -> None:
    queue, spool = make_queue(10, FullPolicy.DROP_NEWEST), MemorySpool()
    assert queue.offer(b"123456789")
    assert not any(queue.offer(b"x") for _ in range(3))
    assert not queue.offer_blocking(b"x", None)
    assert queue.dropped == 3
    move_to_spool(queue, spool)
    spool.forget(spool.stream, 1)
    queue.sync_with_spool(spool)
    assert queue.offer(b"y")
    assert queue.take_batch() == [b"nodelog: dropped 3 lines (spool full)", b"y"]
    assert queue.accepted == 2


def test_the_oldest_lines_are_dropped_here_if_the_driver_does_not_take_them() -> None:
    queue = make_queue(10, FullPolicy.DROP_OLDEST)
    for letter in b"abcdefg":
        assert queue.offer(bytes([letter]))
    assert queue.dropped == 2
    assert queue.unacknowledged == 5
    expected = [b"nodelog: dropped 2 lines (spool full)", b"c", b"d", b"e", b"f", b"g"]
    for _ in range(2):
        lines = queue.take_batch()
        assert lines == expected
        queue.put_back(lines)
        assert queue.unacknowledged == 5
    queue.offer(b"h")
    assert queue.take_batch() == [b"nodelog: dropped 3 lines (spool full)", b"d", b"e", b"f", b"g", b"h"]
    assert queue.accepted == 8


def test_with_drop_oldest_a_full_spool_does_not_refuse_a_line() -> None:
    queue, spool = make_queue(10, FullPolicy.DROP_OLDEST), MemorySpool()
    queue.offer(b"123456789")
    move_to_spool(queue, spool)
    assert queue.offer(b"new")
    assert queue.dropped == 0  # the driver drops the other one


def test_close_reports_the_lines_that_were_refused_before() -> None:
    queue = make_queue(10, FullPolicy.DROP_NEWEST)
    queue.offer(b"123456789")
    queue.offer(b"x")
    queue.close()
    assert queue.take_batch() == [b"123456789", b"nodelog: dropped 1 lines (spool full)"]


def test_a_line_that_its_sender_gives_up_is_counted_and_reported() -> None:
    queue = make_queue(10)
    queue.offer(b"123456789")
    assert not queue.offer_blocking(b"x", 0.001)
    assert queue.dropped == 0
    queue.count_refused()
    assert queue.dropped == 1
    queue.close()
    assert queue.take_batch()[-1] == b"nodelog: dropped 1 lines (spool full)"


def test_a_sender_waits_until_there_is_room() -> None:
    queue, spool = make_queue(10), MemorySpool()
    queue.offer(b"123456789")
    taken = []
    sender = threading.Thread(target=lambda: taken.append(queue.offer_blocking(b"x", 30)))
    sender.start()
    move_to_spool(queue, spool)
    spool.forget(spool.stream, 1)
    queue.sync_with_spool(spool)
    sender.join(30)
    assert taken == [True]
    assert queue.take_batch() == [b"x"]
