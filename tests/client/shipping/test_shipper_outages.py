"""Shippers whose collector, process or disk fails for a while."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.fake_collector import FakeCollector
from tests.client.shipping.shipper_harness import HOST, lines_of, send_all, unacknowledged
from tests.waiting import PATIENCE, wait_for

from nodelog import Shipper

if TYPE_CHECKING:
    from pathlib import Path


LOGGER = """
import sys
from nodelog import Shipper
shipper = Shipper("127.0.0.1", int(sys.argv[1]), spool=sys.argv[2], tell=lambda _: None)
for number in range(int(sys.argv[3]), 1_000_000):
    shipper.send(f"line {number}")
    shipper.keep()
    print(number, flush=True)
"""


@pytest.fixture(params=["memory", "file"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return str(tmp_path / "spool") if request.param == "file" else None


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("ending", ["crash", "stop"])
def test_nothing_is_lost_or_duplicated_when_the_collector_is_restarted(
    collector: FakeCollector, spool: str | None, ending: str
) -> None:
    lines = lines_of("line", 20_000)
    with Shipper(HOST, collector.port, spool=spool, tell=lambda _: None) as shipper:
        sender = threading.Thread(target=send_all, args=(shipper, lines))
        sender.start()
        for count in (2000, 6000, 9000):
            collector.wait_for_lines(count)
            getattr(collector, ending)()
            collector.start()
        sender.join(PATIENCE)
        assert shipper.flush(PATIENCE) == 0
    assert collector.lines == lines


@pytest.mark.usefixtures("short_pauses")
def test_lost_acks_duplicate_nothing(collector: FakeCollector, spool: str | None) -> None:
    lines = lines_of("line", 3000)
    with Shipper(HOST, collector.port, spool=spool, tell=lambda _: None) as shipper:
        send_all(shipper, lines[:1000])
        shipper.flush(PATIENCE)
        collector.acks = False
        send_all(shipper, lines[1000:2000])
        wait_for(lambda: len(collector.lines) > 1000)
        collector.reset_all()
        wait_for(lambda: shipper.stats.connections > 1)
        collector.acks = True
        collector.hang_up_all()
        send_all(shipper, lines[2000:])
        assert shipper.flush(PATIENCE) == 0
    assert collector.lines == lines


def test_flush_returns_how_many_lines_are_left_while_the_collector_does_not_read(
    collector: FakeCollector,
) -> None:
    with Shipper(HOST, collector.port) as shipper:
        shipper.send("a")
        shipper.flush(PATIENCE)
        collector.reads = False
        for number in range(5):
            shipper.send(str(number))
        assert shipper.flush(0.01) == 5
        collector.reads = True
        assert shipper.flush(PATIENCE) == 0
    assert collector.lines == [b"a", b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.usefixtures("short_pauses")
def test_a_missing_collector_is_waited_for_and_reported_once() -> None:
    messages: list[str] = []
    collector = FakeCollector().start()
    collector.crash()
    where = f"{HOST}:{collector.port}"
    shipper = Shipper(HOST, collector.port, tell=messages.append)
    shipper.send("a")
    wait_for(lambda: messages)
    assert shipper.flush(0.05) == 1
    with collector:
        assert shipper.flush(PATIENCE) == 0
        assert collector.lines == [b"a"]
        wait_for(lambda: len(messages) > 1)
        shipper.close()
    assert messages == [
        f"no connection to {where}: Connection refused; trying again; lines wait in memory",
        f"connected to {where}",
    ]


def test_a_killed_process_continues_where_it_was(collector: FakeCollector, tmp_path: Path) -> None:
    path = str(tmp_path / "spool")
    kept = 0
    for _ in range(3):
        command = [sys.executable, "-c", LOGGER, str(collector.port), path, str(kept)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as logger:
            assert logger.stdout is not None
            numbers = [int(logger.stdout.readline()) for _ in range(100)]
            collector.reset_all()
            numbers += [int(logger.stdout.readline()) for _ in range(100)]
            logger.kill()
            rest = [int(line) for line in logger.stdout if line.endswith("\n")]
        logger.wait(PATIENCE)
        kept = [*numbers, *rest][-1] + 2  # the line after it may be in the spool or not
    with Shipper(HOST, collector.port, spool=path, tell=lambda _: None) as shipper:
        assert shipper.flush(PATIENCE) == 0
    lines = collector.lines
    assert len(lines) == len(set(lines))
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == sorted(numbers)
    assert len(lines) >= kept - 3
    assert set(range(kept - 1)) - set(numbers) <= {number for number in range(kept) if number + 1 in numbers}


def test_the_next_address_is_tried_when_the_first_has_no_collector(
    collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_IP", "127.0.0.9")
    monkeypatch.setenv("HOST_IPS", "127.0.0.9,::1,127.0.0.1")
    messages: list[str] = []
    with Shipper(port=collector.port, tell=messages.append) as shipper:
        shipper.send("a")
        assert shipper.flush(PATIENCE) == 0
    assert collector.lines == [b"a"]
    assert not messages


@pytest.mark.usefixtures("short_pauses", "quick_quarantine")
def test_a_block_that_kills_the_collector_does_not_stop_the_others(
    collector: FakeCollector, tmp_path: Path
) -> None:
    collector.poison = b"poison"
    messages: list[str] = []
    path = tmp_path / "spool"
    with Shipper(HOST, collector.port, spool=path, tell=messages.append) as shipper:
        shipper.send("before")
        assert shipper.flush(PATIENCE) == 0
        shipper.send("poison")
        wait_for(lambda: collector.opened > 1)  # it was sent alone and killed the collector
        shipper.send("after")
        assert shipper.flush(PATIENCE) == 0
        assert shipper.stats.set_aside == 1
        wait_for(lambda: len(collector.lines) == 3)
    (message,) = (text for text in messages if "aside" in text)
    assert message.startswith(f"set aside 1 lines in {path}: the collector hung up 5 times in ")
    assert message.endswith(" s when it received them")
    assert collector.lines == [b"before", b"after", f"nodelog: {message}".encode()]


@pytest.mark.usefixtures("short_pauses")
def test_close_reports_how_many_lines_are_left_and_where(spool: str | None) -> None:
    collector = FakeCollector().start()
    collector.crash()
    messages: list[str] = []
    shipper = Shipper(HOST, collector.port, spool=spool, tell=messages.append)
    for line in ("a", "b"):
        shipper.send(line)
    assert shipper.close(0.05) == 2
    assert messages[1:] == [unacknowledged(2, spool)]
    assert shipper.close() == 2
    with pytest.raises(ValueError, match="the shipper is closed"):
        shipper.send("c")
    if spool:
        with collector, Shipper(HOST, collector.port, spool=spool) as shipper:
            assert shipper.flush(PATIENCE) == 0
            assert collector.lines == [b"a", b"b"]
            assert shipper.stats.delivered == 2


def test_a_full_disk_loses_nothing(collector: FakeCollector, tmp_path: Path) -> None:
    messages: list[str] = []
    with Shipper(HOST, collector.port, spool=tmp_path / "spool", tell=messages.append) as shipper:
        shipper.send("before")
        shipper.flush(PATIENCE)
        file = shipper._thread.driver.engine.spool._database  # type: ignore[union-attr]
        file.execute("PRAGMA max_page_count = 1")
        pages = file.execute("PRAGMA max_page_count").fetchone()[0]
        big = "x" * 60_000
        shipper.send(big)
        wait_for(lambda: messages)
        shipper.send("after")
        file.execute(f"PRAGMA max_page_count = {pages + 1000}")
        assert shipper.flush(PATIENCE) == 0
    assert collector.lines == [b"before", big.encode(), b"after"]
    (text,) = messages
    assert text.endswith("database or disk is full; nothing is lost so far, trying again every 1 s")
