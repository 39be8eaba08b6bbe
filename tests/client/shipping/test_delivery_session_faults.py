from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.simulated_collector import Pair, Server
from tests.client.shipping.test_delivery_session import left_by_a_run, sealed
from tests.client.spool.spool_files import leave

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
    pair = Pair(spool)
    pair.connect()
    pair.send()
    with monkeypatch.context() as patch:
        patch.setattr(spool, "sync_removals", _fail)
        pair.ack()
        with pytest.raises(SpoolError):
            pair.send()
        assert pair.courier.must_hang_up
    leave(spool)
    pair = Pair(FileSpool(tmp_path / "spool"), pair.server)
    pair.run()
    assert pair.server.stored == [b"1a"]
    pair.spool.close()


@pytest.mark.usefixtures("quick_quarantine")
def test_a_block_that_hangs_the_server_up_five_times_in_a_row_is_set_aside(tmp_path: Path) -> None:
    pair = Pair(sealed(FileSpool(tmp_path / "spool"), b"bad", b"good"))
    for _ in range(5):
        assert not pair.told
        pair.connect()
        pair.send()
        pair.server.crash()
        pair.hang_up()
    why = "in 0 s the collector hung up 5 times while it was to take them"
    assert pair.told == [f"set aside 1 lines in {tmp_path}/spool: {why}"]
    pair.run()
    assert pair.server.stored == [b"good"]
    assert pair.spool.aside == 1
    pair.spool.close()


def test_a_collector_that_is_ended_again_and_again_costs_no_block() -> None:
    pair = Pair(sealed(MemorySpool(), b"a", b"b"))
    for _ in range(50):
        pair.connect()
        pair.send()
        pair.server.crash()
        pair.hang_up()
    pair.run()
    assert not pair.told
    assert pair.server.stored == [b"a", b"b"]


@pytest.mark.usefixtures("quick_quarantine")
def test_a_suspect_goes_alone_so_that_the_guilty_one_is_found() -> None:
    pair = Pair(sealed(MemorySpool(), b"good", b"bad", b"fine"))
    for _ in range(20):
        pair.connect()
        pair.send()
        if any(b"bad" in data for *_, data in pair.server._taken):
            pair.server.crash()
            pair.hang_up()
        else:
            pair.ack()
            pair.hang_up()
    assert pair.server.stored == [b"good", b"fine"]
    assert pair.spool.dropped == 1


@pytest.mark.parametrize("how", ["serverclose", "before the answer", "by us", "nothing in flight"])
def test_a_block_is_not_blamed_for_what_it_has_not_done(how: str) -> None:
    pair = Pair(sealed(MemorySpool(), b"a"))
    for _ in range(10):
        if how == "before the answer":
            pair.courier.connection_made()
        else:
            pair.connect()
        if how != "nothing in flight":
            pair.send()
        if how == "serverclose":
            pair.say_goodbye()
            assert pair.courier.must_hang_up
        pair.server.crash()
        pair.courier.connection_lost(by_peer=how != "by us")
    pair.run()
    assert pair.server.stored == [b"a"]


def test_an_ack_clears_a_block_of_suspicion() -> None:
    pair = Pair(MemorySpool())
    for letter in b"abcdefgh":
        sealed(pair.spool, bytes([letter]))
        pair.connect()
        pair.send()
        pair.server.crash()
        pair.hang_up()
        pair.run()
        pair.hang_up()
    assert pair.server.stored == [bytes([letter]) for letter in b"abcdefgh"]


def test_pauses_grow_until_an_ack_not_until_a_connection() -> None:
    pair = Pair(sealed(MemorySpool(), b"a", b"b"))
    pauses = []
    for _ in range(3):
        pair.connect()
        pauses.append(pair.courier.connection_lost(by_peer=False))
    assert pauses == [0.1, 0.2, 0.4]
    pair.connect()
    pair.send()
    pair.ack()
    assert pair.courier.connection_lost(by_peer=False) == 0.1


def test_serverclose_ends_the_connection_and_what_is_unacknowledged_comes_again() -> None:
    pair = Pair(sealed(MemorySpool(), b"a"))
    pair.connect()
    pair.send()
    pair.server.crash()
    pair.say_goodbye()
    sealed(pair.spool, b"b")
    assert not pair.send()
    assert pair.courier.connection_lost(by_peer=True) == 0.1
    pair.run()
    assert pair.server.stored == [b"a", b"b"]


def test_a_block_larger_than_the_server_takes_is_set_aside() -> None:
    pair = Pair(MemorySpool(), Server(max_data=1000))
    pair.spool.append([b"a", b"x" * 70_000, b"b"])
    pair.run()
    assert pair.server.stored == [b"a", b"b"]
    assert pair.told == ["dropped 1 lines: 70001 bytes, and the collector takes 1000 at most"]


def test_a_server_that_breaks_the_protocol_is_left() -> None:
    pair = Pair(sealed(MemorySpool(), b"a"))
    pair.connect()
    pair.send()
    pair.server.commit()
    pair.courier.feed(bytes(pair.connection.out) + b"rubbish\n")
    assert pair.courier.must_hang_up
    assert pair.courier.fault.startswith("it broke the protocol: ")
    assert pair.spool.lines == 0  # the ack before it counts


def test_a_server_that_refuses_us_is_left() -> None:
    pair = Pair(sealed(MemorySpool(), b"a"))
    pair.courier.connection_made()
    pair.courier.feed(b"1 rsp 11 500 go away\n")
    assert pair.courier.must_hang_up
    assert pair.courier.fault == "it refuses us: 500 go away"


def test_a_spool_that_fails_in_the_middle_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = Pair(sealed(MemorySpool(), b"a", b"b", b"c"))
    read = pair.spool.read
    blocks = iter("ab")

    def fails(block: object) -> bytes:
        if not next(blocks, ""):
            raise SpoolError("no")
        return read(block)  # type: ignore[arg-type]

    pair.connect()
    monkeypatch.setattr(pair.spool, "read", fails)
    with pytest.raises(SpoolError):
        pair.send()
    assert pair.courier.must_hang_up
    monkeypatch.undo()
    pair.run()
    assert pair.server.stored == [b"a", b"b", b"c"]


def test_a_stream_that_cannot_be_renamed_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair(sealed(MemorySpool(), b"a"))
    pair.server.durable[pair.spool.stream] = 5
    with monkeypatch.context() as patch:
        patch.setattr(pair.spool, "rename_stream", lambda _: _fail())
        with pytest.raises(SpoolError):
            pair.connect()
        assert pair.courier.must_hang_up
        assert not pair.send()
    pair.run()
    assert pair.server.stored == [b"a"]


def test_a_courier_that_was_never_connected_pauses_longer_each_time() -> None:
    courier = DeliverySession(MemorySpool(), name="test", tell=print, draw=lambda: 1.0)
    assert [courier.connection_lost(by_peer=False) for _ in range(3)] == [0.1, 0.2, 0.4]


def _fail() -> None:
    raise SpoolError("no")
