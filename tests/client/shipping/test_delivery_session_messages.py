from __future__ import annotations

import pytest
from tests.client.shipping.simulated_collector import DeliveryHarness, SimulatedCollector

from nodelog.spool.memory_spool import MemorySpool


@pytest.fixture
def foreign() -> DeliveryHarness:
    """Return a harness whose server is not nodelog's and knows only `syslog`."""
    return DeliveryHarness(MemorySpool(), SimulatedCollector(foreign=True))


def test_a_foreign_server_gets_each_line_as_a_message(foreign: DeliveryHarness) -> None:
    foreign.spool.append([b"a", b"", b"b"])
    foreign.connect()
    assert foreign.session.welcome is not None
    assert not foreign.session.welcome.lines
    foreign.run()
    assert foreign.collector.stored_lines == [b"a", b"", b"b"]
    assert len(foreign.collector.blocks) == 3
    assert foreign.spool.lines == 0


def test_no_more_than_128_messages_are_unacknowledged(foreign: DeliveryHarness) -> None:
    foreign.spool.append([b"%d" % number for number in range(1000)])
    foreign.connect()
    foreign.send()
    assert len(foreign.collector.uncommitted) == 128
    assert foreign.spool.lines == 1000
    foreign.run()
    assert foreign.collector.stored_lines == [b"%d" % number for number in range(1000)]


def test_a_block_of_messages_that_was_acknowledged_in_part_is_sent_again(foreign: DeliveryHarness) -> None:
    foreign.spool.append([b"%d" % number for number in range(200)])
    foreign.connect()
    foreign.send()
    foreign.ack()
    foreign.hang_up()
    foreign.run()
    assert foreign.collector.stored_lines == [b"%d" % number for number in [*range(128), *range(200)]]


def test_a_message_that_is_rejected_is_set_aside_with_its_block(
    foreign: DeliveryHarness,
) -> None:
    foreign.collector._max_data = 100
    foreign.spool.append([b"a", b"x" * 200])
    foreign.run()
    assert foreign.messages == ["dropped 2 lines: 500 200 bytes are too many"]
    assert foreign.spool.lines == 0
