from __future__ import annotations

import threading

import pytest
from tests.client.shipping.intakes import Wakes, carry, intake_of
from tests.running import wait_for

from nodelog.shipping.line_queue import Full, Intake
from nodelog.spool.blocks import BLOCK_BYTES
from nodelog.spool.memory_spool import Spool


def test_lines_are_taken_in_order() -> None:
    intake = intake_of()
    assert all(intake.offer(line) for line in (b"a", b"b", b"c"))
    assert intake.take() == [b"a", b"b", b"c"]
    assert intake.take() == []
    assert intake.sent == 3


def test_the_driver_is_woken_once_when_enough_is_there() -> None:
    wakes = Wakes()
    intake = Intake(100, Full.BLOCK, wakes)
    intake.offer(b"a")
    assert wakes.count == 0
    assert intake.wake_at(1)
    assert not intake.wake_at(5)
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
    while some := intake.take():
        assert len(some) <= 66
        taken += some
    assert taken == lines


def test_what_could_not_be_kept_comes_first_again() -> None:
    intake = intake_of()
    intake.offer(b"a")
    intake.offer(b"b")
    lines = intake.take()
    intake.offer(b"c")
    intake.give_back(lines)
    assert intake.left == 3
    assert intake.take() == [b"a", b"b", b"c"]


def test_nothing_is_taken_after_the_end() -> None:
    intake, spool = intake_of(), Spool()
    intake.close()
    intake.settle(spool)
    with pytest.raises(ValueError, match="the shipper is closed"):
        intake.offer(b"a")


def test_a_sender_that_waits_is_told_of_the_end() -> None:
    intake = intake_of(10)
    intake.offer(b"123456789")
    errors: list[ValueError] = []

    def send() -> None:
        try:
            intake.wait_for_room(b"x", None)
        except ValueError as error:
            errors.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    wait_for(lambda: intake._changed._waiters)  # type: ignore[attr-defined]
    intake.close()
    sender.join(30)
    assert len(errors) == 1


def test_a_watch_sees_what_was_there_and_not_what_comes_later() -> None:
    intake, spool = intake_of(), Spool()
    intake.offer(b"a")
    kept, gone = intake.watch_kept(), intake.watch_gone()
    intake.offer(b"b")
    assert (kept(), gone()) == (1, 1)
    carry(intake, spool)
    assert (kept(), gone()) == (0, 1)
    assert intake.wait(gone, 0.001) == 1
    spool.forget(spool.stream, 1)
    intake.settle(spool)
    assert intake.wait(gone, 30) == 0


def test_what_an_earlier_run_left_is_watched_too() -> None:
    intake, spool = intake_of(), Spool()
    spool.append([b"old", b"older"])
    intake.settle(spool)
    gone = intake.watch_gone()
    assert gone() == intake.left == 2
    spool.drop_oldest(b"", 0)
    intake.settle(spool)
    assert gone() == 1  # the line that tells of them
    spool.forget(spool.stream, 1)
    intake.settle(spool)
    assert gone() == 0


def test_a_signal_handler_may_send_in_the_middle_of_sending() -> None:
    intake = intake_of()
    with intake._lock:
        assert intake.offer(b"from a handler")
    assert intake.left == 1


def test_many_threads_lose_and_double_nothing() -> None:
    intake, spool = intake_of(4 * BLOCK_BYTES), Spool()
    ended = threading.Event()

    def drive() -> None:
        while not ended.is_set() or intake.left > spool.lines:
            carry(intake, spool)
            spool.gone += 0
            for block in list(spool.blocks(spool.stream))[:-1]:
                stored.append(spool.read(block))
                spool.forget(spool.stream, block.number)
            intake.settle(spool)

    def send(name: int) -> None:
        for number in range(2000):
            line = b"%d %d" % (name, number)
            assert intake.offer(line) or intake.wait_for_room(line, 30)

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
    assert intake.sent == len(lines) == 8000
