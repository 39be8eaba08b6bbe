from __future__ import annotations

from typing import TYPE_CHECKING

from tests.client.shipping.simulated_collector import Pair, Server
from tests.client.spool.spool_files import leave

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
    """Leave these lines in a file, each in a block; give the stream."""
    spool = FileSpool(path)
    sealed(spool, *lines)
    leave(spool)
    return spool.stream


def test_an_idle_line_goes_at_once() -> None:
    pair = Pair(MemorySpool())
    pair.connect()
    assert not pair.send()
    pair.spool.append([b"a"])
    assert pair.send()
    pair.ack()
    assert pair.server.stored == [b"a"]
    assert pair.spool.lines == 0


def test_lines_gather_while_an_ack_is_awaited() -> None:
    pair = Pair(MemorySpool())
    pair.connect()
    for line in (b"a", b"b", b"c"):
        pair.spool.append([line])
        pair.send()
    pair.ack()
    pair.run()
    assert pair.server.blocks == [b"a\n", b"b\nc\n"]


def test_a_full_block_does_not_wait_for_an_ack() -> None:
    pair = Pair(MemorySpool())
    pair.connect()
    pair.spool.append([b"a"])
    pair.send()
    pair.spool.append([*FULL, b"b"])
    pair.send()
    pair.server.commit()
    assert pair.server.blocks == [b"a\n", b"".join(line + b"\n" for line in FULL)]


def test_no_more_than_the_window_is_unacknowledged() -> None:
    pair = Pair(MemorySpool(), window=3 * BLOCK_BYTES)
    pair.connect()
    pair.spool.append(FULL * 10)
    assert 3 * BLOCK_BYTES < pair.send() < 3 * BLOCK_BYTES + 100
    assert not pair.send()
    pair.ack()
    assert pair.send() > 3 * BLOCK_BYTES


def test_a_block_larger_than_the_window_goes_alone() -> None:
    pair = Pair(MemorySpool(), window=1000)
    pair.spool.append([*FULL, *FULL])
    pair.run()
    assert len(pair.server.stored) == 128


def test_what_is_durable_is_forgotten_and_the_rest_sent_from_there() -> None:
    pair = Pair(sealed(MemorySpool(), b"a", b"b", b"c"))
    pair.server.durable[pair.spool.stream] = 0
    pair.connect()
    pair.send()
    pair.server.commit()  # and the acks are lost
    pair.hang_up()
    sealed(pair.spool, b"d")
    pair.run()
    assert pair.server.stored == [b"a", b"b", b"c", b"d"]
    assert [number for _, number in filter(None, pair.server.offered)] == [1, 1]


def test_what_was_only_taken_is_sent_again_after_a_crash() -> None:
    pair = Pair(sealed(MemorySpool(), b"a", b"b"))
    pair.connect()
    pair.send()
    pair.server.crash()
    pair.hang_up()
    pair.run()
    assert pair.server.stored == [b"a", b"b"]


def test_streams_of_earlier_runs_go_first_each_over_a_connection_of_its_own(tmp_path: Path) -> None:
    streams = [left_by_a_run(tmp_path / "spool", b"1a", b"1b"), left_by_a_run(tmp_path / "spool", b"2a")]
    pair = Pair(sealed(FileSpool(tmp_path / "spool"), b"3a"))
    pair.run()
    assert pair.server.stored == [b"1a", b"1b", b"2a", b"3a"]
    assert pair.server.offered == [(streams[0], 1), (streams[1], 1), (pair.spool.stream, 1)]
    assert pair.server.durable == {pair.spool.stream: 1}  # the others are closed and forgotten
    pair.spool.close()


def test_a_finished_courier_closes_its_stream_when_it_is_empty() -> None:
    pair = Pair(MemorySpool())
    pair.spool.append([b"a"])
    pair.run()
    assert pair.server.durable
    pair.courier.is_finishing = True
    pair.send()
    pair.ack()
    assert pair.courier.must_hang_up
    assert not pair.server.durable
    assert pair.hang_up() == 0.0


def test_a_number_that_was_never_sent_means_another_stream_and_is_told() -> None:
    pair = Pair(sealed(MemorySpool(), b"a", b"b"))
    old = pair.spool.stream
    pair.server.durable[old] = 1
    pair.run()
    assert pair.server.stored == [b"a", b"b"]
    assert pair.server.durable == {old: 1, pair.spool.stream: 2}
    assert pair.spool.stream != old
    (told,) = pair.told
    assert "has block 1 of a stream whose block 0 was sent last" in told
    assert "2 lines are sent again" in told


def test_a_stream_of_an_earlier_run_that_another_has_used_gets_a_new_name(tmp_path: Path) -> None:
    stream = left_by_a_run(tmp_path / "spool", b"a", b"b")
    pair = Pair(FileSpool(tmp_path / "spool"))
    pair.server.durable[stream] = 3
    pair.run()
    assert pair.server.stored == [b"a", b"b"]
    assert "block 3 of a stream whose block 2 was sent last" in pair.told[0]
    pair.spool.close()


def test_a_gap_is_passed_over_with_a_new_connection() -> None:
    pair = Pair(MemorySpool(), window=2 * BLOCK_BYTES)
    pair.spool.append(FULL * 6)
    pair.connect()
    pair.send()
    pair.courier.trim_spool(4 * BLOCK_BYTES)
    pair.run()
    assert pair.server.stored == [*FULL * 2, b"nodelog: dropped 192 lines (spool full)", *FULL]
    assert [number for _, number in filter(None, pair.server.offered)] == [1, 5]
    assert pair.courier.connections == 2


def test_what_is_dropped_before_the_answer_does_not_shift_numbers() -> None:
    pair = Pair(MemorySpool())
    pair.spool.append(FULL * 3)
    pair.connection = pair.server.connect()
    pair.server.receive(pair.connection, pair.courier.connection_made())
    pair.courier.trim_spool(2 * BLOCK_BYTES)
    pair.hear()
    pair.run()
    assert pair.server.durable == {pair.spool.stream: 3}
    assert pair.server.stored == [b"nodelog: dropped 128 lines (spool full)", *FULL]


def test_what_was_stored_before_it_was_dropped_is_not_announced() -> None:
    pair = Pair(sealed(MemorySpool(), b"a", b"b"))
    pair.connect()
    pair.send()
    pair.server.commit()
    pair.hang_up()
    pair.courier.trim_spool(2)
    pair.run()
    assert pair.server.stored == [b"a", b"b"]


def test_a_server_without_streams_gets_blocks_at_least_once() -> None:
    pair = Pair(sealed(MemorySpool(), b"a", b"b"), Server(keeps_streams=False))
    pair.connect()
    pair.send()
    pair.server.commit()
    pair.hang_up()
    pair.run()
    assert pair.server.stored == [b"a", b"b", b"a", b"b"]


def test_an_exhausted_connection_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair(MemorySpool())
    monkeypatch.setattr(ClientSession, "is_exhausted", property(lambda session: session._next_txnr > 3))
    for letter in b"abcdefgh":
        sealed(pair.spool, bytes([letter]))
    pair.run()
    assert pair.server.stored == [bytes([letter]) for letter in b"abcdefgh"]
    assert pair.courier.connections == 4
