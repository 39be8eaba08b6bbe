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
    spool = MemorySpool()
    spool.append([b"one", b"two"])
    return spool


@pytest.fixture
def window(spool: Spool) -> Window:
    window = Window(spool, spool.stream, "test")
    window.session.hello()
    return window


def test_a_block_is_one_frame_and_in_flight_until_it_is_answered(spool: Spool, window: Window) -> None:
    (block,) = spool.blocks(spool.stream)
    assert b"one\ntwo\n" in b"".join(window.send_block(block, BLOCKS))
    assert (window.block_count, window.byte_count, window.next_number) == (1, block.size, block.number + 1)
    assert not window.has_unsent_messages
    assert not spool.is_open(block)
    assert window.pop_answered() is block
    assert (window.block_count, window.byte_count, len(window.unanswered)) == (0, 0, 0)


def test_the_answer_to_the_last_message_completes_the_block(spool: Spool, window: Window) -> None:
    (block,) = spool.blocks(spool.stream)
    assert b"one" in b"".join(window.send_block(block, MESSAGES))
    assert (window.has_unsent_messages, window.block_count) == (True, 1)
    assert b"two" in b"".join(window.send_message())
    assert (window.has_unsent_messages, window.block_count) == (False, 1)
    assert window.pop_answered() is None
    assert window.block_count == 1
    assert window.pop_answered() is block
    assert window.block_count == 0


def test_at_most_128_frames_may_be_unanswered(window: Window) -> None:
    window.unanswered.extend([None] * 127)
    assert not window.is_full
    window.unanswered.append(None)
    assert window.is_full


def test_it_is_complete_when_the_next_block_is_missing(window: Window) -> None:
    assert not window.is_complete(finishing=True)
    window.next_number += 1
    assert window.is_complete(finishing=False)


def test_without_blocks_it_is_complete_unless_more_lines_may_come(spool: Spool, window: Window) -> None:
    spool.forget(spool.stream, 1)
    assert not window.is_complete(finishing=False)
    assert window.is_complete(finishing=True)
    assert Window(spool, b"an older stream.", "test").is_complete(finishing=False)
