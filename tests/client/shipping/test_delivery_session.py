from __future__ import annotations

from typing import TYPE_CHECKING

from tests.client.shipping.simulated_collector import DeliveryHarness, SimulatedCollector
from tests.client.spool.spool_files import abandon

from nodelog.spool.blocks import BLOCK_BYTES
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.memory_spool import MemorySpool
from nodelog.wire.client_session import ClientSession

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from nodelog.spool.spool import Spool

FULL = [b"x" * 1023] * 64  # a block's worth of lines


def sealed(spool: Spool, *lines: bytes) -> Spool:
    """Append each line as a block of its own."""
    for line in lines:
        spool.append([line])
        spool.seal(spool.blocks(spool.stream)[-1])
    return spool


def left_by_a_run(path: Path, *lines: bytes) -> bytes:
    """Leave these lines in a file, each in a block; return the stream."""
    spool = FileSpool(path)
    sealed(spool, *lines)
    abandon(spool)
    return spool.stream


def test_a_line_is_sent_at_once_if_nothing_is_unacknowledged() -> None:
    harness = DeliveryHarness(MemorySpool())
    harness.connect()
    assert not harness.send()
    harness.spool.append([b"a"])
    assert harness.send()
    harness.ack()
    assert harness.collector.stored_lines == [b"a"]
    assert harness.spool.lines == 0


def test_lines_gather_while_an_ack_is_awaited() -> None:
    harness = DeliveryHarness(MemorySpool())
    harness.connect()
    for line in (b"a", b"b", b"c"):
        harness.spool.append([line])
        harness.send()
    harness.ack()
    harness.run()
    assert harness.collector.blocks == [b"a\n", b"b\nc\n"]


def test_a_full_block_does_not_wait_for_an_ack() -> None:
    harness = DeliveryHarness(MemorySpool())
    harness.connect()
    harness.spool.append([b"a"])
    harness.send()
    harness.spool.append([*FULL, b"b"])
    harness.send()
    harness.collector.commit()
    assert harness.collector.blocks == [b"a\n", b"".join(line + b"\n" for line in FULL)]


def test_no_more_than_the_window_is_unacknowledged() -> None:
    harness = DeliveryHarness(MemorySpool(), window_bytes=3 * BLOCK_BYTES)
    harness.connect()
    harness.spool.append(FULL * 10)
    assert 3 * BLOCK_BYTES < harness.send() < 3 * BLOCK_BYTES + 100
    assert not harness.send()
    harness.ack()
    assert harness.send() > 3 * BLOCK_BYTES


def test_a_block_larger_than_the_window_is_sent_alone() -> None:
    harness = DeliveryHarness(MemorySpool(), window_bytes=1000)
    harness.spool.append([*FULL, *FULL])
    harness.run()
    assert len(harness.collector.stored_lines) == 128


def test_a_reconnect_forgets_durable_blocks_and_sends_the_rest() -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a", b"b", b"c"))
    harness.collector.durable[harness.spool.stream] = 0
    harness.connect()
    harness.send()
    harness.collector.commit()  # the acks are lost
    harness.hang_up()
    sealed(harness.spool, b"d")
    harness.run()
    assert harness.collector.stored_lines == [b"a", b"b", b"c", b"d"]
    assert [number for _, number in filter(None, harness.collector.offered_streams)] == [1, 1]


def test_blocks_that_were_not_durable_are_sent_again_after_a_crash() -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a", b"b"))
    harness.connect()
    harness.send()
    harness.collector.crash()
    harness.hang_up()
    harness.run()
    assert harness.collector.stored_lines == [b"a", b"b"]


def test_streams_of_earlier_runs_are_sent_first_over_connections_of_their_own(tmp_path: Path) -> None:
    streams = [left_by_a_run(tmp_path / "spool", b"1a", b"1b"), left_by_a_run(tmp_path / "spool", b"2a")]
    harness = DeliveryHarness(sealed(FileSpool(tmp_path / "spool"), b"3a"))
    harness.run()
    assert harness.collector.stored_lines == [b"1a", b"1b", b"2a", b"3a"]
    assert harness.collector.offered_streams == [(streams[0], 1), (streams[1], 1), (harness.spool.stream, 1)]
    assert harness.collector.durable == {harness.spool.stream: 1}  # the others are closed, thus forgotten
    harness.spool.close()


def test_a_finishing_session_closes_its_stream_when_it_is_empty() -> None:
    harness = DeliveryHarness(MemorySpool())
    harness.spool.append([b"a"])
    harness.run()
    assert harness.collector.durable
    harness.session.is_finishing = True
    harness.send()
    harness.ack()
    assert harness.session.must_hang_up
    assert not harness.collector.durable
    assert harness.hang_up() == 0.0


def test_a_durable_block_that_was_never_sent_renames_the_stream_and_is_reported() -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a", b"b"))
    old = harness.spool.stream
    harness.collector.durable[old] = 1
    harness.run()
    assert harness.collector.stored_lines == [b"a", b"b"]
    assert harness.collector.durable == {old: 1, harness.spool.stream: 2}
    assert harness.spool.stream != old
    (message,) = harness.messages
    assert "has block 1 of a stream whose block 0 was sent last" in message
    assert "2 lines are sent again" in message


def test_a_stream_of_an_earlier_run_that_another_client_has_used_is_renamed(tmp_path: Path) -> None:
    stream = left_by_a_run(tmp_path / "spool", b"a", b"b")
    harness = DeliveryHarness(FileSpool(tmp_path / "spool"))
    harness.collector.durable[stream] = 3
    harness.run()
    assert harness.collector.stored_lines == [b"a", b"b"]
    assert "block 3 of a stream whose block 2 was sent last" in harness.messages[0]
    harness.spool.close()


def test_a_gap_is_skipped_with_a_new_connection() -> None:
    harness = DeliveryHarness(MemorySpool(), window_bytes=2 * BLOCK_BYTES)
    harness.spool.append(FULL * 6)
    harness.connect()
    harness.send()
    harness.session.trim_spool(4 * BLOCK_BYTES)
    harness.run()
    assert harness.collector.stored_lines == [*FULL * 2, b"nodelog: dropped 192 lines (spool full)", *FULL]
    assert [number for _, number in filter(None, harness.collector.offered_streams)] == [1, 5]
    assert harness.session.connections == 2


def test_a_drop_before_the_answer_to_open_does_not_shift_block_numbers() -> None:
    harness = DeliveryHarness(MemorySpool())
    harness.spool.append(FULL * 3)
    harness.connection = harness.collector.connect()
    harness.collector.receive(harness.connection, harness.session.connection_made())
    harness.session.trim_spool(2 * BLOCK_BYTES)
    harness.read_answers()
    harness.run()
    assert harness.collector.durable == {harness.spool.stream: 3}
    assert harness.collector.stored_lines == [b"nodelog: dropped 128 lines (spool full)", *FULL]


def test_a_drop_of_blocks_that_are_already_stored_is_not_announced() -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a", b"b"))
    harness.connect()
    harness.send()
    harness.collector.commit()
    harness.hang_up()
    harness.session.trim_spool(2)
    harness.run()
    assert harness.collector.stored_lines == [b"a", b"b"]


def test_a_server_without_streams_gets_blocks_at_least_once() -> None:
    harness = DeliveryHarness(sealed(MemorySpool(), b"a", b"b"), SimulatedCollector(keeps_streams=False))
    harness.connect()
    harness.send()
    harness.collector.commit()
    harness.hang_up()
    harness.run()
    assert harness.collector.stored_lines == [b"a", b"b", b"a", b"b"]


def test_an_exhausted_connection_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = DeliveryHarness(MemorySpool())
    monkeypatch.setattr(ClientSession, "is_exhausted", property(lambda session: session._next_txnr > 3))
    for letter in b"abcdefgh":
        sealed(harness.spool, bytes([letter]))
    harness.run()
    assert harness.collector.stored_lines == [bytes([letter]) for letter in b"abcdefgh"]
    assert harness.session.connections == 4
