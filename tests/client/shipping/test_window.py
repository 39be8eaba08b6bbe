from __future__ import annotations

import pytest

from nodelog.shipping.window import Flight
from nodelog.spool.memory_spool import Spool
from nodelog.wire.client_session import Welcome

BLOCKS = Welcome(durable=0, max_data=1024 * 1024, lines=True)
MESSAGES = Welcome(durable=None, max_data=1024 * 1024, lines=False)


@pytest.fixture
def spool() -> Spool:
    made = Spool()
    made.append([b"one", b"two"])
    return made


@pytest.fixture
def flight(spool: Spool) -> Flight:
    begun = Flight(spool, spool.stream, "test")
    begun.session.hello()
    return begun


def test_a_block_is_one_frame_and_under_way_until_it_is_answered(spool: Spool, flight: Flight) -> None:
    (block,) = spool.blocks(spool.stream)
    assert b"one\ntwo\n" in b"".join(flight.send(block, BLOCKS))
    assert (flight.blocks, flight.size, flight.number) == (1, block.size, block.number + 1)
    assert not flight.is_within_block
    assert not spool.is_open(block)
    assert flight.answered() is block
    assert (flight.blocks, flight.size, len(flight.unanswered)) == (0, 0, 0)


def test_of_messages_the_last_one_answers_for_the_block(spool: Spool, flight: Flight) -> None:
    (block,) = spool.blocks(spool.stream)
    assert b"one" in b"".join(flight.send(block, MESSAGES))
    assert (flight.is_within_block, flight.blocks) == (True, 1)
    assert b"two" in b"".join(flight.send_message())
    assert (flight.is_within_block, flight.blocks) == (False, 1)
    assert flight.answered() is None
    assert flight.blocks == 1
    assert flight.answered() is block
    assert flight.blocks == 0


def test_so_many_frames_and_no_more_may_be_unanswered(flight: Flight) -> None:
    flight.unanswered.extend([None] * 127)
    assert not flight.is_full
    flight.unanswered.append(None)
    assert flight.is_full


def test_it_is_over_where_blocks_are_missing(flight: Flight) -> None:
    assert not flight.is_over(finishing=True)
    flight.number += 1
    assert flight.is_over(finishing=False)


def test_without_blocks_it_is_over_unless_more_may_come(spool: Spool, flight: Flight) -> None:
    spool.forget(spool.stream, 1)
    assert not flight.is_over(finishing=False)
    assert flight.is_over(finishing=True)
    assert Flight(spool, b"an older stream.", "test").is_over(finishing=False)
