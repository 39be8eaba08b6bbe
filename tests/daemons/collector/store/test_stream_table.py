from __future__ import annotations

from typing import TYPE_CHECKING

from nodelogd.collector.store import stream_table
from nodelogd.collector.store.stream_table import StreamTable, update_lru

if TYPE_CHECKING:
    import pytest

A, B, C, D = (bytes([letter]) * 16 for letter in b"abcd")


def table(connected: set[bytes] | None = None, **durable: int) -> StreamTable:
    known = {name.encode() * 16: block for name, block in durable.items()}
    return StreamTable(known, (connected or set()).__contains__)


def test_a_written_block_is_not_durable_until_it_is_noted_as_durable() -> None:
    streams = table(a=4)
    streams.note_written({A: 5, B: 1})
    assert (streams.last_block(A), streams.last_block(B)) == (4, 0)
    assert (streams.last_block(A, written=True), streams.last_block(B, written=True)) == (5, 1)
    streams.note_durable({A: 5, B: 1})
    assert (streams.last_block(A), streams.last_block(B)) == (5, 1)
    assert streams.unsynced == {}


def test_blocks_written_during_a_sync_stay_unsynced() -> None:
    streams = table()
    streams.note_written({A: 1, B: 1})
    before = dict(streams.unsynced)
    streams.note_written({A: 2})
    streams.note_durable(before)
    assert (streams.durable, streams.unsynced) == ({A: 1, B: 1}, {A: 2})


def test_unsynced_blocks_can_be_discarded() -> None:
    streams = table(a=1)
    streams.note_written({A: 2})
    streams.discard_unsynced()
    assert (streams.last_block(A, written=True), streams.snapshot()) == (1, {A: 1})


def test_a_forgotten_stream_does_not_reappear_after_a_sync() -> None:
    streams = table(a=1)
    streams.note_written({A: 2})
    last_blocks = dict(streams.unsynced)
    streams.forget(A)
    streams.note_durable(last_blocks)
    assert streams.snapshot() == {}


def test_beyond_the_limit_the_least_recently_used_are_forgotten_but_never_a_connected_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_table, "MAX_STREAMS", 2)
    streams = table({A}, a=1, b=1)
    streams.note_written({C: 1})
    streams.note_durable({C: 1})
    assert streams.durable == {A: 1, C: 1}
    streams.note_written({A: 2, D: 1})
    streams.note_durable({A: 2, D: 1})
    assert [*streams.durable] == [A, D]


def test_when_all_streams_are_connected_none_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_table, "MAX_STREAMS", 1)
    streams = table({A, B, C}, a=1, b=1)
    streams.note_written({C: 1})
    streams.note_durable({C: 1})
    assert streams.durable == {A: 1, B: 1, C: 1}


def test_a_snapshot_keeps_the_order_of_use() -> None:
    streams = table(a=1, b=1, c=1)
    streams.note_written({A: 2})
    assert [*streams.snapshot()] == [B, C, A]
    assert [*streams.durable] == [A, B, C]


def test_an_update_moves_streams_to_the_end() -> None:
    known = {A: 1, B: 1, C: 1}
    update_lru(known, {B: 2, D: 1})
    assert [*known.items()] == [(A, 1), (C, 1), (B, 2), (D, 1)]
