from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nodelog.shipping.window import Window
from nodelog.spool.memory_spool import MemorySpool
from nodelog.wire.client_session import Welcome

if TYPE_CHECKING:
    from nodelog.spool.spool import Spool

BLOCKS = Welcome(durable=0, max_data=1024 * 1024, lines=True)
MESSAGES = Welcome(durable=None, max_data=1024 * 1024, lines=False)


@pytest.fixture
def spool() -> Spool:
    made = MemorySpool()
    made.append([b"one", b"two"])
    return made


@pytest.fixture
def flight(spool: Spool) -> Window:
    begun = Window(spool, spool.stream, "test")
    begun.session.hello()
    return begun


def test_a_block_is_one_frame_and_under_way_until_it_is_answered(spool: Spool, flight: Window) -> None:
    (block,) = spool.blocks(spool.stream)
    assert b"one\ntwo\n" in b"".join(flight.send_block(block, BLOCKS))
    assert (flight.block_count, flight.byte_count, flight.next_number) == (1, block.size, block.number + 1)
    assert not flight.has_unsent_messages
    assert not spool.is_open(block)
    assert flight.pop_answered() is block
    assert (flight.block_count, flight.byte_count, len(flight.unanswered)) == (0, 0, 0)


def test_of_messages_the_last_one_answers_for_the_block(spool: Spool, flight: Window) -> None:
    (block,) = spool.blocks(spool.stream)
    assert b"one" in b"".join(flight.send_block(block, MESSAGES))
    assert (flight.has_unsent_messages, flight.block_count) == (True, 1)
    assert b"two" in b"".join(flight.send_message())
    assert (flight.has_unsent_messages, flight.block_count) == (False, 1)
    assert flight.pop_answered() is None
    assert flight.block_count == 1
    assert flight.pop_answered() is block
    assert flight.block_count == 0


def test_so_many_frames_and_no_more_may_be_unanswered(flight: Window) -> None:
    flight.unanswered.extend([None] * 127)
    assert not flight.is_full
    flight.unanswered.append(None)
    assert flight.is_full


def test_it_is_over_where_blocks_are_missing(flight: Window) -> None:
    assert not flight.is_complete(finishing=True)
    flight.next_number += 1
    assert flight.is_complete(finishing=False)


def test_without_blocks_it_is_over_unless_more_may_come(spool: Spool, flight: Window) -> None:
    spool.forget(spool.stream, 1)
    assert not flight.is_complete(finishing=False)
    assert flight.is_complete(finishing=True)
    assert Window(spool, b"an older stream.", "test").is_complete(finishing=False)
