"""The patience of a command's output: with a full spool, and with a disk that does not take it."""

from collections.abc import Generator
from pathlib import Path

import pytest
from tests.client.shipping.fake_collector import FakeCollector
from tests.waiting import PATIENCE

from nodelog import Shipper
from nodelog.commands.supervision.spool_writer import SpoolWriter
from nodelog.spool.blocks import SpoolError
from nodelog.spool.file_spool import FileSpool

BATCH = b"x" * 65_535 + b"\n"
NO_ROOM = "no room for more lines: they are dropped, and counted, until there is some"


@pytest.fixture
def collector() -> Generator[FakeCollector]:
    with FakeCollector() as started:
        yield started


class Patience:
    """A writer with its shipper; `turns` counts how often it asked whether to give up."""

    def __init__(self, shipper: Shipper, seconds: float, *, turns: int = 1_000_000) -> None:
        """Give up after this number of turns."""
        self.messages: list[str] = []
        self.turns = 0
        self._most = turns
        self.writer = SpoolWriter(shipper, seconds, gives_up=self._gives_up, on_message=self.messages.append)

    def _gives_up(self) -> bool:
        self.turns += 1
        return self.turns >= self._most


def test_after_its_time_lines_do_not_wait_until_the_collector_has_taken_some(
    collector: FakeCollector,
) -> None:
    collector.acks = False
    with Shipper("127.0.0.1", collector.port, max_bytes=1024 * 1024, tell=lambda _: None) as shipper:
        patience = Patience(shipper, 0.15)
        for _ in range(17):
            patience.writer.send(BATCH)
        waited = patience.turns
        assert patience.messages == [NO_ROOM]
        for _ in range(100):
            patience.writer.send(BATCH)
        assert (patience.messages, patience.turns) == ([NO_ROOM], waited)
        assert shipper.stats.dropped == 101
        collector.acks = True
        collector.crash()
        collector.start()
        assert shipper.flush(PATIENCE) == 0
        patience.writer.send(BATCH)
        assert shipper.flush(PATIENCE) == 0
        assert shipper.stats.dropped == 101
        assert [line for line in collector.lines if b"dropped" in line] == [
            b"nodelog: dropped 101 lines (spool full)"
        ]


def test_it_gives_up_when_the_time_is_over(collector: FakeCollector) -> None:
    collector.acks = False
    with Shipper("127.0.0.1", collector.port, max_bytes=1024 * 1024, tell=lambda _: None) as shipper:
        patience = Patience(shipper, 3600.0, turns=1)
        for _ in range(17):
            patience.writer.send(BATCH)
        assert (patience.messages, patience.turns) == ([NO_ROOM], 1)
        shipper.close(0)
        patience.writer.send(BATCH)  # it is closed: counted, not raised


def test_a_disk_that_fails_holds_up_the_output_once_and_not_for_long(
    collector: FakeCollector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spool"
    with Shipper("127.0.0.1", collector.port, spool=path, tell=lambda _: None) as shipper:
        patience = Patience(shipper, 3600.0)
        patience.writer.send(b"one\n")
        patience.writer.keep()
        assert patience.turns == 0
        with monkeypatch.context() as patch:
            patch.setattr(FileSpool, "append", fail)
            patience.writer.send(b"two\n")
            patience.writer.keep()  # it returns
            assert shipper.stats.trouble == "the disk is full"
            turns = patience.turns
            patience.writer.keep()
            assert patience.turns == turns
        assert shipper.flush(PATIENCE) == 0
        patience.writer.keep()
        patience.writer.send(b"three\n")
        patience.writer.keep()
        assert shipper.keep(0) == 0


def fail(*_: object) -> None:
    raise SpoolError("the disk is full")
