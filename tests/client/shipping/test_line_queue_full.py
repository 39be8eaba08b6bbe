"""What becomes of lines that an intake has no room for."""

from __future__ import annotations

import threading

from tests.client.shipping.line_queues import carry, intake_of

from nodelog.shipping.line_queue import FullPolicy
from nodelog.spool.memory_spool import MemorySpool


def test_what_is_in_the_spool_takes_room() -> None:
    intake, spool = intake_of(10), MemorySpool()
    assert intake.offer(b"12345")
    carry(intake, spool)
    assert not intake.offer(b"12345")
    assert intake.offer(b"123")
    carry(intake, spool)
    spool.forget(spool.stream, 1)
    intake.sync_with_spool(spool)
    assert intake.offer(b"123456789")


def test_a_line_larger_than_everything_is_taken_when_nothing_else_is_held() -> None:
    intake = intake_of(10)
    assert intake.offer(b"x" * 50)
    assert not intake.offer(b"")


def test_the_newest_is_dropped_and_told_before_the_next_that_is_taken() -> None:
    intake, spool = intake_of(10, FullPolicy.DROP_NEWEST), MemorySpool()
    assert intake.offer(b"123456789")
    assert not any(intake.offer(b"x") for _ in range(3))
    assert not intake.offer_blocking(b"x", None)
    assert intake.dropped == 3
    carry(intake, spool)
    spool.forget(spool.stream, 1)
    intake.sync_with_spool(spool)
    assert intake.offer(b"y")
    assert intake.take_batch() == [b"nodelog: dropped 3 lines (spool full)", b"y"]
    assert intake.accepted == 2


def test_the_oldest_go_from_here_only_if_nobody_takes_them_over() -> None:
    intake = intake_of(10, FullPolicy.DROP_OLDEST)
    for letter in b"abcdefg":
        assert intake.offer(bytes([letter]))
    assert intake.dropped == 2
    assert intake.unacknowledged == 5
    expected = [b"nodelog: dropped 2 lines (spool full)", b"c", b"d", b"e", b"f", b"g"]
    for _ in range(2):
        lines = intake.take_batch()
        assert lines == expected
        intake.put_back(lines)
        assert intake.unacknowledged == 5
    intake.offer(b"h")
    assert intake.take_batch() == [b"nodelog: dropped 3 lines (spool full)", b"d", b"e", b"f", b"g", b"h"]
    assert intake.accepted == 8


def test_a_full_spool_does_not_refuse_a_line_when_the_oldest_go() -> None:
    intake, spool = intake_of(10, FullPolicy.DROP_OLDEST), MemorySpool()
    intake.offer(b"123456789")
    carry(intake, spool)
    assert intake.offer(b"new")
    assert intake.dropped == 0  # it is for the driver to drop the other


def test_what_was_not_told_by_the_end_is_told_then() -> None:
    intake = intake_of(10, FullPolicy.DROP_NEWEST)
    intake.offer(b"123456789")
    intake.offer(b"x")
    intake.close()
    assert intake.take_batch() == [b"123456789", b"nodelog: dropped 1 lines (spool full)"]


def test_a_line_that_its_sender_gives_up_is_counted_and_told() -> None:
    intake = intake_of(10)
    intake.offer(b"123456789")
    assert not intake.offer_blocking(b"x", 0.001)
    assert intake.dropped == 0
    intake.count_refused()
    assert intake.dropped == 1
    intake.close()
    assert intake.take_batch()[-1] == b"nodelog: dropped 1 lines (spool full)"


def test_a_sender_waits_until_there_is_room() -> None:
    intake, spool = intake_of(10), MemorySpool()
    intake.offer(b"123456789")
    taken = []
    sender = threading.Thread(target=lambda: taken.append(intake.offer_blocking(b"x", 30)))
    sender.start()
    carry(intake, spool)
    spool.forget(spool.stream, 1)
    intake.sync_with_spool(spool)
    sender.join(30)
    assert taken == [True]
    assert intake.take_batch() == [b"x"]
