from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.shipper_harness import unacknowledged
from tests.client.shipping.simulated_collector import SimulatedCollector

from nodelog.shipping.engine import ShippingEngine
from nodelog.shipping.line_queue import FullPolicy, LineQueue
from nodelog.shipping.settings import Settings
from nodelog.spool.blocks import SpoolError
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.memory_spool import MemorySpool

if TYPE_CHECKING:
    from pathlib import Path

    from nodelog.spool.spool import Spool


class EngineHarness:
    """An engine with its queue and its spool, and a collector without sockets."""

    def __init__(self, spool: Spool, full: FullPolicy = FullPolicy.BLOCK, max_bytes: int = 1 << 20) -> None:
        """Create an engine that is not connected."""
        self.messages: list[str] = []
        self.spool = spool
        self.queue = LineQueue(max_bytes, full, lambda: None)
        settings = Settings(
            hosts=("127.0.0.1",),
            port=1,
            name="test",
            spool="a file",
            full=full,
            max_bytes=max_bytes,
            tell=self.messages.append,
        )
        self.engine = ShippingEngine(settings, spool, self.queue)
        self.collector = SimulatedCollector()
        self.connection = self.collector.connect()

    def connect(self) -> None:
        """Make a connection."""
        self.connection = self.collector.connect()
        self.engine.destination = "there"
        self.collector.receive(self.connection, self.engine.session.connection_made())

    def step(self) -> bool:
        """Take a step over the connection; return whether new lines came."""
        self.collector.commit()
        answers = [bytes(self.connection.out)] if self.connection.out else []
        self.connection.out.clear()
        came, frames = self.engine.step(answers, can_send=True)
        self.collector.receive(self.connection, b"".join(frames))
        return came

    def steps(self, count: int = 5) -> None:
        """Take several steps."""
        for _ in range(count):
            self.step()


def failing(*_: object) -> None:
    raise SpoolError("the disk is full")


def test_steps_move_lines_from_the_queue_to_the_server() -> None:
    harness = EngineHarness(MemorySpool())
    harness.connect()
    harness.queue.offer(b"a")
    assert harness.step()
    assert not harness.step()
    harness.steps()
    assert harness.collector.stored_lines == [b"a"]
    assert harness.queue.unacknowledged == 0


def test_while_the_disk_is_full_lines_wait_in_the_queue_and_those_in_the_spool_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    harness = EngineHarness(MemorySpool())
    harness.queue.offer(b"a")
    harness.step()
    with monkeypatch.context() as patch:
        patch.setattr(harness.spool, "append", failing)
        harness.queue.offer(b"b")
        harness.connect()
        harness.steps()
        assert harness.collector.stored_lines == [b"a"]
        assert harness.engine.spool_error == "the disk is full"
        assert harness.queue.unacknowledged == 1
    harness.steps()
    assert not harness.engine.spool_error
    assert harness.collector.stored_lines == [b"a", b"b"]
    assert harness.messages == ["the disk is full; nothing is lost so far, trying again every 1 s"]


def test_the_oldest_lines_are_dropped_until_the_spool_is_small_enough() -> None:
    harness = EngineHarness(MemorySpool(), FullPolicy.DROP_OLDEST, max_bytes=200_000)
    for letter in b"abcdefgh":
        harness.queue.offer(bytes([letter]) * 65_535)
        harness.step()
    assert harness.spool.size <= 200_000
    assert harness.spool.dropped == 5
    harness.connect()
    harness.steps(20)
    assert [line[:30] for line in harness.collector.stored_lines] == [
        b"nodelog: dropped 5 lines (spoo",
        b"f" * 30,
        b"g" * 30,
        b"h" * 30,
    ]


def test_a_damaged_spool_is_replaced_and_the_stream_reports_it(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    harness = EngineHarness(FileSpool(path), max_bytes=1 << 30)
    for _ in range(100):
        harness.queue.offer(b"x" * 60_000)
        harness.step()
    harness.spool.sync_removals()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(bytes(6_000_000))
    harness.connect()
    while not harness.engine.session.must_hang_up:
        harness.step()
    harness.engine.connection_lost()
    harness.queue.offer(b"new")
    harness.connect()
    harness.steps()
    *stored, text, new = harness.collector.stored_lines
    assert 0 < len(stored) < 100
    assert harness.spool.aside >= 100 - len(stored)  # stored blocks may lack their ack
    assert new == b"new"
    assert b"is damaged" in text
    assert f"it is kept as {path}.damaged-1, a new one is started".encode() in text
    assert harness.messages == [text.decode().removeprefix("nodelog: ")]
    assert harness.queue.unacknowledged == 0
    harness.engine.close()


def test_the_notices_of_a_spool_are_sent_in_the_stream() -> None:
    spool = MemorySpool()
    spool.notices.append("something happened")
    harness = EngineHarness(spool)
    harness.connect()
    harness.steps()
    assert harness.collector.stored_lines == [b"nodelog: something happened"]
    assert harness.messages == ["something happened"]


def test_an_outage_is_reported_once_and_so_is_its_end() -> None:
    harness = EngineHarness(MemorySpool())
    harness.engine.destination = "there"
    for _ in range(3):
        harness.engine.connection_lost("Connection refused")
    harness.connect()
    harness.steps()
    harness.engine.connection_lost("it closed the connection", by_peer=True)
    assert harness.messages == [
        "no connection to there: Connection refused; trying again; lines wait in memory",
        "connected to there",
        "no connection to there: it closed the connection; trying again; lines wait in memory",
    ]


def test_a_connection_that_the_server_announced_to_close_is_not_reported() -> None:
    harness = EngineHarness(MemorySpool())
    harness.connect()
    harness.steps()
    harness.engine.session.feed(b"0 serverclose 0\n")
    harness.engine.connection_lost("it closed the connection", by_peer=True)
    assert not harness.messages


@pytest.mark.usefixtures("quick_quarantine")
def test_a_block_that_cannot_be_set_aside_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = EngineHarness(MemorySpool())
    harness.queue.offer(b"bad")
    with monkeypatch.context() as patch:
        patch.setattr(harness.spool, "set_aside", failing)
        for _ in range(6):
            harness.connect()
            harness.step()
            harness.collector.crash()
            pause = harness.engine.connection_lost("it closed the connection", by_peer=True)
        assert pause == 1.0
        assert harness.spool.lines == 1
    harness.connect()
    harness.step()
    harness.collector.crash()
    harness.engine.connection_lost("it closed the connection", by_peer=True)
    assert harness.spool.lines == 0
    assert harness.messages[-1].startswith("dropped 1 lines: the collector hung up 7 times in 0 s")


@pytest.mark.parametrize("is_persistent", [True, False])
def test_close_stores_what_it_can_and_reports_what_is_left(tmp_path: Path, *, is_persistent: bool) -> None:
    harness = EngineHarness(FileSpool(tmp_path / "spool") if is_persistent else MemorySpool())
    lines = [b"x" * 30_000] * 10
    for line in lines:
        harness.queue.offer(line)
    harness.queue.close()
    harness.engine.close()
    assert harness.messages == [unacknowledged(10, tmp_path / "spool" if is_persistent else None)]
    if is_persistent:
        spool = FileSpool(tmp_path / "spool")
        assert spool.lines == 10
        spool.close()


@pytest.mark.parametrize("kept", [0, 2])
def test_close_on_a_full_disk_reports_how_many_lines_are_lost_and_how_many_wait(
    kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = EngineHarness(FileSpool(tmp_path / "spool"))
    for _ in range(kept):
        harness.spool.append([b"kept"])
    harness.queue.offer(b"a")
    monkeypatch.setattr(harness.spool, "append", failing)
    harness.queue.close()
    harness.engine.close()
    path = tmp_path / "spool"
    others = f"wait in {path}: the next run or `nodelog pipe --spool {path} </dev/null` sends them"
    lost = "lines are not acknowledged; 1 of them are lost: the disk is full"
    assert harness.messages == [f"{kept + 1} {lost}" + (f"; the others {others}" if kept else "")]


def test_a_close_that_cannot_delete_acknowledged_lines_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = EngineHarness(FileSpool(tmp_path / "spool"))
    harness.queue.offer(b"a")
    monkeypatch.setattr(harness.spool, "commit_removals", failing)
    harness.queue.close()
    harness.engine.close()
    assert harness.messages == [unacknowledged(1, tmp_path / "spool")]
