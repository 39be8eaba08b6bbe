from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.simulated_collector import Server

from nodelog.shipping.engine import ShippingEngine
from nodelog.shipping.line_queue import FullPolicy, LineQueue
from nodelog.shipping.settings import Settings
from nodelog.spool.blocks import SpoolError
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.memory_spool import MemorySpool

if TYPE_CHECKING:
    from pathlib import Path

    from nodelog.spool.spool import Spool


class Rig:
    """A carrier with its intake and its spool, and a server for it."""

    def __init__(self, spool: Spool, full: FullPolicy = FullPolicy.BLOCK, most: int = 1 << 20) -> None:
        """Put it together."""
        self.told: list[str] = []
        self.spool = spool
        self.intake = LineQueue(most, full, lambda: None)
        settings = Settings(
            hosts=("127.0.0.1",),
            port=1,
            name="test",
            spool="a file",
            full=full,
            max_bytes=most,
            tell=self.told.append,
        )
        self.carrier = ShippingEngine(settings, spool, self.intake)
        self.server = Server()
        self.connection = self.server.connect()

    def connect(self) -> None:
        """Connect."""
        self.connection = self.server.connect()
        self.carrier.destination = "there"
        self.server.receive(self.connection, self.carrier.session.connection_made())

    def turn(self) -> bool:
        """Take a turn over the connection; tell whether lines came."""
        self.server.commit()
        answers = [bytes(self.connection.out)] if self.connection.out else []
        self.connection.out.clear()
        came, frames = self.carrier.step(answers, sends=True)
        self.server.receive(self.connection, b"".join(frames))
        return came

    def turns(self, count: int = 5) -> None:
        """Take some."""
        for _ in range(count):
            self.turn()


def failing(*_: object) -> None:
    raise SpoolError("the disk is full")


def test_a_turn_carries_lines_from_the_intake_to_the_server() -> None:
    rig = Rig(MemorySpool())
    rig.connect()
    rig.intake.offer(b"a")
    assert rig.turn()
    assert not rig.turn()
    rig.turns()
    assert rig.server.stored == [b"a"]
    assert rig.intake.unacknowledged == 0


def test_lines_wait_in_the_intake_while_the_disk_takes_none_and_those_in_the_spool_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(MemorySpool())
    rig.intake.offer(b"a")
    rig.turn()
    with monkeypatch.context() as patch:
        patch.setattr(rig.spool, "append", failing)
        rig.intake.offer(b"b")
        rig.connect()
        rig.turns()
        assert rig.server.stored == [b"a"]
        assert rig.carrier.spool_error == "the disk is full"
        assert rig.intake.unacknowledged == 1
    rig.turns()
    assert not rig.carrier.spool_error
    assert rig.server.stored == [b"a", b"b"]
    assert rig.told == ["the disk is full; nothing is lost so far, trying again every 1 s"]


def test_the_oldest_are_dropped_until_the_spool_has_its_size() -> None:
    rig = Rig(MemorySpool(), FullPolicy.DROP_OLDEST, most=200_000)
    for letter in b"abcdefgh":
        rig.intake.offer(bytes([letter]) * 65_535)
        rig.turn()
    assert rig.spool.size <= 200_000
    assert rig.spool.dropped == 5
    rig.connect()
    rig.turns(20)
    assert [line[:30] for line in rig.server.stored] == [
        b"nodelog: dropped 5 lines (spoo",
        b"f" * 30,
        b"g" * 30,
        b"h" * 30,
    ]


def test_a_damaged_spool_is_replaced_and_that_is_told_in_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    rig = Rig(FileSpool(path), most=1 << 30)
    for _ in range(100):
        rig.intake.offer(b"x" * 60_000)
        rig.turn()
    rig.spool.sync_removals()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(bytes(6_000_000))
    rig.connect()
    while not rig.carrier.session.must_hang_up:
        rig.turn()
    rig.carrier.connection_lost()
    rig.intake.offer(b"new")
    rig.connect()
    rig.turns()
    *stored, text, new = rig.server.stored
    assert 0 < len(stored) < 100
    assert rig.spool.aside >= 100 - len(stored)  # some were stored, and their acks were on their way
    assert new == b"new"
    assert b"is damaged" in text
    assert f"it is kept as {path}.damaged-1, a new one is begun".encode() in text
    assert rig.told == [text.decode().removeprefix("nodelog: ")]
    assert rig.intake.unacknowledged == 0
    rig.carrier.close()


def test_what_an_opened_spool_has_to_say_goes_into_the_stream() -> None:
    spool = MemorySpool()
    spool.notices.append("something happened")
    rig = Rig(spool)
    rig.connect()
    rig.turns()
    assert rig.server.stored == [b"nodelog: something happened"]
    assert rig.told == ["something happened"]


def test_an_outage_is_told_once_and_its_end() -> None:
    rig = Rig(MemorySpool())
    rig.carrier.destination = "there"
    for _ in range(3):
        rig.carrier.connection_lost("Connection refused")
    rig.connect()
    rig.turns()
    rig.carrier.connection_lost("it hung up", by_peer=True)
    assert rig.told == [
        "no connection to there: Connection refused; trying again, lines wait in memory",
        "connected to there",
        "no connection to there: it hung up; trying again, lines wait in memory",
    ]


def test_an_end_that_was_agreed_on_is_not_told() -> None:
    rig = Rig(MemorySpool())
    rig.connect()
    rig.turns()
    rig.carrier.session.feed(b"0 serverclose 0\n")
    rig.carrier.connection_lost("it hung up", by_peer=True)
    assert not rig.told


@pytest.mark.usefixtures("quick_quarantine")
def test_a_block_that_cannot_be_set_aside_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(MemorySpool())
    rig.intake.offer(b"bad")
    with monkeypatch.context() as patch:
        patch.setattr(rig.spool, "set_aside", failing)
        for _ in range(6):
            rig.connect()
            rig.turn()
            rig.server.crash()
            pause = rig.carrier.connection_lost("it hung up", by_peer=True)
        assert pause == 1.0
        assert rig.spool.lines == 1
    rig.connect()
    rig.turn()
    rig.server.crash()
    rig.carrier.connection_lost("it hung up", by_peer=True)
    assert rig.spool.lines == 0
    assert rig.told[-1].startswith("dropped 1 lines: in 0 s the collector hung up")


@pytest.mark.parametrize("lasting", [True, False])
def test_the_end_keeps_what_it_can_and_tells_what_is_left(tmp_path: Path, *, lasting: bool) -> None:
    rig = Rig(FileSpool(tmp_path / "spool") if lasting else MemorySpool())
    lines = [b"x" * 30_000] * 10
    for line in lines:
        rig.intake.offer(line)
    rig.intake.close()
    rig.carrier.close()
    how = "the next run sends them, or `nodelog pipe --spool a file </dev/null`"
    where = f"wait in a file: {how}" if lasting else "were in memory and are lost"
    assert rig.told == [f"10 lines are not acknowledged and {where}"]
    if lasting:
        spool = FileSpool(tmp_path / "spool")
        assert spool.lines == 10
        spool.close()


@pytest.mark.parametrize("kept", [0, 2])
def test_an_end_on_a_full_disk_tells_how_many_lines_are_lost_and_how_many_are_not(
    kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(FileSpool(tmp_path / "spool"))
    for _ in range(kept):
        rig.spool.append([b"kept"])
    rig.intake.offer(b"a")
    monkeypatch.setattr(rig.spool, "append", failing)
    rig.intake.close()
    rig.carrier.close()
    others = "wait in a file: the next run sends them, or `nodelog pipe --spool a file </dev/null`"
    told = "lines are not acknowledged and 1 of them are lost: the disk is full"
    assert rig.told == [f"{kept + 1} {told}" + (f"; the others {others}" if kept else "")]


def test_an_end_that_cannot_erase_what_was_acknowledged_has_lost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(FileSpool(tmp_path / "spool"))
    rig.intake.offer(b"a")
    monkeypatch.setattr(rig.spool, "commit_removals", failing)
    rig.intake.close()
    rig.carrier.close()
    assert rig.told[0].startswith("1 lines are not acknowledged and wait in a file: the next run sends them")
