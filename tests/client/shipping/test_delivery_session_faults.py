from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.simulated_collector import DeliveryHarness, SimulatedCollector
from tests.client.shipping.test_delivery_session import left_by_a_run, sealed
from tests.client.spool.spool_files import abandon

from nodelog.shipping.delivery_session import DeliverySession
from nodelog.spool.blocks import SpoolError
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.memory_spool import MemorySpool

if TYPE_CHECKING:
    from pathlib import Path


def test_a_stream_is_closed_only_when_its_blocks_cannot_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by_a_run(tmp_path / "spool", b"1a")
    spool = FileSpool(tmp_path / "spool")
    harness = DeliveryHarness(spool)
    harness.connect()
    harness.send()
    with monkeypatch.context() as patch:
        patch.setattr(spool, "sync_removals", _fail)
        harness.ack()
        with pytest.raises(SpoolError):
            harness.send()
        assert harness.session.must_hang_up
    abandon(spool)
    harness = DeliveryHarness(FileSpool(tmp_path / "spool"), harness.collector)
    harness.run()
    assert harness.collector.stored_lines == [b"1a"]
    harness.spool.close()


@pytest.mark.usefixtures("quick_quarantine")
def test_a_block_is_set_aside_after_five_hangups_in_a_row(tmp_path: Path) -> None:
    harness = DeliveryHarness(sealed(FileSpool(tmp_path / "spool"), b"bad", b"good"))
    for _ in range(5):
        assert not harness.messages
        harness.connect()
        harness.send()
        harness.collector.crash()
        harness.hang_up()
    reason = "the collector hung up 5 times in 0 s when it received them"
    assert harness.messages == [f"set aside 1 lines in {tmp_path}/spool: {reason}"]
    harness.run()
    assert harness.collector.stored_lines == [b"good"]
    assert harness.spool.aside == 1
    harness.spool.close()


def test_a_collector_that_is_restarted_over_and_over_costs_no_block() -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a", b"b"))
    for _ in range(50):
        harness.connect()
        harness.send()
        harness.collector.crash()
        harness.hang_up()
    harness.run()
    assert not harness.messages
    assert harness.collector.stored_lines == [b"a", b"b"]


@pytest.mark.usefixtures("quick_quarantine")
def test_a_suspect_is_sent_alone_so_that_the_right_block_is_set_aside() -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"good", b"bad", b"fine"))
    for _ in range(20):
        harness.connect()
        harness.send()
        if any(b"bad" in data for *_, data in harness.collector.uncommitted):
            harness.collector.crash()
            harness.hang_up()
        else:
            harness.ack()
            harness.hang_up()
    assert harness.collector.stored_lines == [b"good", b"fine"]
    assert harness.spool.dropped == 1


@pytest.mark.parametrize("event", ["serverclose", "before the answer", "by us", "nothing in flight"])
def test_only_a_hangup_on_a_block_in_flight_makes_it_a_suspect(event: str) -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a"))
    for _ in range(10):
        if event == "before the answer":
            harness.session.connection_made()
        else:
            harness.connect()
        if event != "nothing in flight":
            harness.send()
        if event == "serverclose":
            harness.announce_close()
            assert harness.session.must_hang_up
        harness.collector.crash()
        harness.session.connection_lost(by_peer=event != "by us")
    harness.run()
    assert harness.collector.stored_lines == [b"a"]


def test_an_ack_clears_the_suspicion() -> None:
    harness = DeliveryHarness(MemorySpool())
    for letter in b"abcdefgh":
        sealed(harness.spool, bytes([letter]))
        harness.connect()
        harness.send()
        harness.collector.crash()
        harness.hang_up()
        harness.run()
        harness.hang_up()
    assert harness.collector.stored_lines == [bytes([letter]) for letter in b"abcdefgh"]


def test_pauses_grow_until_an_ack_not_until_a_connection() -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a", b"b"))
    pauses = []
    for _ in range(3):
        harness.connect()
        pauses.append(harness.session.connection_lost(by_peer=False))
    assert pauses == [0.1, 0.2, 0.4]
    harness.connect()
    harness.send()
    harness.ack()
    assert harness.session.connection_lost(by_peer=False) == 0.1


def test_serverclose_ends_the_connection_and_unacknowledged_blocks_are_sent_again() -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a"))
    harness.connect()
    harness.send()
    harness.collector.crash()
    harness.announce_close()
    sealed(harness.spool, b"b")
    assert not harness.send()
    assert harness.session.connection_lost(by_peer=True) == 0.1
    harness.run()
    assert harness.collector.stored_lines == [b"a", b"b"]


def test_a_block_larger_than_the_server_accepts_is_set_aside() -> None:
    harness = DeliveryHarness(MemorySpool(), SimulatedCollector(max_data=1000))
    harness.spool.append([b"a", b"x" * 70_000, b"b"])
    harness.run()
    assert harness.collector.stored_lines == [b"a", b"b"]
    assert harness.messages == ["dropped 1 lines: 70001 bytes, and the collector accepts at most 1000"]


def test_a_server_that_breaks_the_protocol_is_hung_up_on() -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a"))
    harness.connect()
    harness.send()
    harness.collector.commit()
    harness.session.feed(bytes(harness.connection.out) + b"rubbish\n")
    assert harness.session.must_hang_up
    assert harness.session.fault.startswith("it broke the protocol: ")
    assert harness.spool.lines == 0  # the ack before the fault counts


def test_a_server_that_refuses_the_client_is_hung_up_on() -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a"))
    harness.session.connection_made()
    harness.session.feed(b"1 rsp 11 500 go away\n")
    assert harness.session.must_hang_up
    assert harness.session.fault == "it refuses this client: 500 go away"


def test_a_spool_that_fails_in_the_middle_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a", b"b", b"c"))
    read = harness.spool.read
    blocks = iter("ab")

    def fails(block: object) -> bytes:
        if not next(blocks, ""):
            raise SpoolError("no")
        return read(block)  # type: ignore[arg-type]

    harness.connect()
    monkeypatch.setattr(harness.spool, "read", fails)
    with pytest.raises(SpoolError):
        harness.send()
    assert harness.session.must_hang_up
    monkeypatch.undo()
    harness.run()
    assert harness.collector.stored_lines == [b"a", b"b", b"c"]


def test_a_stream_that_cannot_be_renamed_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a"))
    harness.collector.durable[harness.spool.stream] = 5
    with monkeypatch.context() as patch:
        patch.setattr(harness.spool, "rename_stream", lambda _: _fail())
        with pytest.raises(SpoolError):
            harness.connect()
        assert harness.session.must_hang_up
        assert not harness.send()
    harness.run()
    assert harness.collector.stored_lines == [b"a"]


def test_pauses_grow_if_there_never_was_a_connection() -> None:
    session = DeliverySession(MemorySpool(), name="test", tell=print, jitter=lambda: 1.0)
    assert [session.connection_lost(by_peer=False) for _ in range(3)] == [0.1, 0.2, 0.4]


def _fail() -> None:
    raise SpoolError("no")
