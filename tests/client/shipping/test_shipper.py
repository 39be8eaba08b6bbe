from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.collector import Collector
from tests.running import PATIENCE, wait_for

from nodelog import NoHostError, Shipper, SpoolError
from nodelog.shipping.settings import LEAST_BYTES
from nodelog.spool.file import FileSpool

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
LOGGER = """
import sys
from nodelog import Shipper
shipper = Shipper("127.0.0.1", int(sys.argv[1]), spool=sys.argv[2], tell=lambda _: None)
for number in range(int(sys.argv[3]), 1_000_000):
    shipper.send(f"line {number}")
    shipper.keep()
    print(number, flush=True)
"""


def lines_of(name: str, count: int) -> list[bytes]:
    return [f"{name} {number}".encode() for number in range(count)]


def send_all(shipper: Shipper, lines: list[bytes]) -> None:
    for line in lines:
        assert shipper.send(line, PATIENCE)


@pytest.fixture(params=["memory", "file"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return str(tmp_path / "spool") if request.param == "file" else None


def test_lines_arrive_once_and_in_order(collector: Collector, spool: str | None) -> None:
    lines = lines_of("line", 5000)
    with Shipper(HOST, collector.port, spool=spool, name="pod-1") as shipper:
        send_all(shipper, lines)
        assert shipper.flush(PATIENCE) == 0
        assert collector.lines == lines
        stats = shipper.stats
    assert (stats.sent, stats.delivered, stats.left, stats.dropped) == (5000, 5000, 0, 0)
    assert (stats.connections, stats.is_connected, stats.trouble) == (1, True, "")
    assert collector.names == {"pod-1"}


def test_a_shipper_says_goodbye_so_that_its_stream_can_be_forgotten(collector: Collector) -> None:
    with Shipper(HOST, collector.port) as shipper:
        shipper.send("a")
    assert collector.closed == 1
    assert not collector.streams
    assert collector.lines == [b"a"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("ending", ["crash", "stop"])
def test_nothing_is_lost_or_doubled_when_the_collector_is_restarted(
    collector: Collector, spool: str | None, ending: str
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


@pytest.mark.usefixtures("quick")
def test_acks_that_are_lost_double_nothing(collector: Collector, spool: str | None) -> None:
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


def test_flush_tells_how_many_are_left_while_the_collector_does_not_read(collector: Collector) -> None:
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


@pytest.mark.usefixtures("quick")
def test_a_collector_that_is_not_there_yet_is_waited_for_and_told_of_once() -> None:
    told: list[str] = []
    collector = Collector().start()
    collector.crash()
    where = f"{HOST}:{collector.port}"
    shipper = Shipper(HOST, collector.port, tell=told.append)
    shipper.send("a")
    wait_for(lambda: told)
    assert shipper.flush(0.05) == 1
    with collector:
        assert shipper.flush(PATIENCE) == 0
        assert collector.lines == [b"a"]
        wait_for(lambda: len(told) > 1)
        shipper.close()
    assert told == [
        f"no connection to {where}: Connection refused; trying again, lines wait in memory",
        f"connected to {where}",
    ]


def test_a_killed_process_goes_on_where_it_was(collector: Collector, tmp_path: Path) -> None:
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
        kept = [*numbers, *rest][-1] + 2  # the one behind it may be in the spool or not
    with Shipper(HOST, collector.port, spool=path, tell=lambda _: None) as shipper:
        assert shipper.flush(PATIENCE) == 0
    lines = collector.lines
    assert len(lines) == len(set(lines))
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == sorted(numbers)
    assert len(lines) >= kept - 3
    assert set(range(kept - 1)) - set(numbers) <= {number for number in range(kept) if number + 1 in numbers}


def test_a_second_process_gets_an_error_not_a_share(collector: Collector, tmp_path: Path) -> None:
    path = tmp_path / "spool"
    with Shipper(HOST, collector.port, spool=path), pytest.raises(SpoolError, match="in use by process"):
        Shipper(HOST, collector.port, spool=path)
    with Shipper(HOST, collector.port, spool=path):
        pass


def test_a_line_that_is_too_long_arrives_in_parts(collector: Collector) -> None:
    line = b"x" * (3 * 1024 * 1024 + 5)
    with Shipper(HOST, collector.port) as shipper:
        shipper.send(line)
        assert shipper.flush(PATIENCE) == 0
    assert b"".join(collector.lines) == line
    assert len(collector.lines) == 4


def test_a_traceback_stays_one_line(collector: Collector) -> None:
    with Shipper(HOST, collector.port) as shipper:
        shipper.send("Traceback:\n  File\nError\n")
    assert collector.lines == [b"Traceback:\\n  File\\nError"]


def test_the_next_address_is_tried_when_the_first_has_no_collector(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_IP", "127.0.0.9")
    monkeypatch.setenv("HOST_IPS", "127.0.0.9,::1,127.0.0.1")
    told: list[str] = []
    with Shipper(port=collector.port, tell=told.append) as shipper:
        shipper.send("a")
        assert shipper.flush(PATIENCE) == 0
    assert collector.lines == [b"a"]
    assert not told


def test_a_missing_host_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOST_IP", raising=False)
    monkeypatch.delenv("HOST_IPS", raising=False)
    with pytest.raises(NoHostError, match=r"status\.hostIP"):
        Shipper()


def test_block_waits_for_room_and_no_longer_than_told(collector: Collector, spool: str | None) -> None:
    collector.reads = False
    line = b"x" * 65_535
    with Shipper(HOST, collector.port, spool=spool, max_bytes=LEAST_BYTES) as shipper:
        assert [shipper.send(line, 0) for _ in range(17)] == [True] * 16 + [False]
        assert not shipper.send(line, 0.01)
        collector.reads = True
        assert shipper.send(line, PATIENCE)
        assert shipper.flush(PATIENCE) == 0
        assert shipper.stats.dropped == 0
    assert collector.lines == [line] * 17


def test_drop_newest_keeps_what_was_first_and_tells(collector: Collector, spool: str | None) -> None:
    collector.reads = False
    line = b"x" * 65_535
    with Shipper(HOST, collector.port, spool=spool, full="drop-newest", max_bytes=LEAST_BYTES) as shipper:
        assert [shipper.send(line) for _ in range(20)] == [True] * 16 + [False] * 4
        collector.reads = True
        assert shipper.flush(PATIENCE) == 0
        shipper.send("later")
        assert shipper.flush(PATIENCE) == 0
        assert shipper.stats.dropped == 4
    assert collector.lines == [line] * 16 + [b"nodelog: dropped 4 lines (spool full)", b"later"]


def test_drop_oldest_keeps_what_was_last_and_tells_where_something_is_missing(spool: str | None) -> None:
    collector = Collector().start()
    collector.crash()
    lines = [b"%06d" % number + b"x" * 993 for number in range(5000)]
    told: list[str] = []
    with Shipper(
        HOST, collector.port, spool=spool, full="drop-oldest", max_bytes=LEAST_BYTES, tell=told.append
    ) as shipper:
        for number, line in enumerate(lines):
            assert shipper.send(line)
            if number % 60 == 0:
                shipper.keep()
        shipper.keep()
        assert shipper.stats.dropped > 3900
        with collector:
            assert shipper.flush(PATIENCE) == 0
            dropped = shipper.stats.dropped
            announcement, *rest = collector.lines
    assert announcement == b"nodelog: dropped %d lines (spool full)" % dropped
    assert rest == lines[dropped:]
    assert 900 < len(rest) < 1100


@pytest.mark.usefixtures("quick", "impatient")
def test_a_block_that_the_collector_dies_of_does_not_stop_the_others(
    collector: Collector, tmp_path: Path
) -> None:
    collector.poison = b"poison"
    told: list[str] = []
    path = tmp_path / "spool"
    with Shipper(HOST, collector.port, spool=path, tell=told.append) as shipper:
        shipper.send("before")
        assert shipper.flush(PATIENCE) == 0
        shipper.send("poison")
        wait_for(lambda: collector.opened > 1)  # it was sent, alone, and the collector died of it
        shipper.send("after")
        assert shipper.flush(PATIENCE) == 0
        assert shipper.stats.set_aside == 1
        wait_for(lambda: len(collector.lines) == 3)
    (why,) = (text for text in told if "aside" in text)
    assert why.startswith(f"set aside 1 lines in {path}: in ")
    assert why.endswith(" s the collector hung up 5 times while it was to take them")
    assert collector.lines == [b"before", b"after", f"nodelog: {why}".encode()]


@pytest.mark.usefixtures("quick")
def test_close_tells_how_many_lines_are_left_and_where(spool: str | None) -> None:
    collector = Collector().start()
    collector.crash()
    told: list[str] = []
    shipper = Shipper(HOST, collector.port, spool=spool, tell=told.append)
    for line in ("a", "b"):
        shipper.send(line)
    assert shipper.close(0.05) == 2
    how = f"the next run sends them, or `nodelog pipe --spool {spool} </dev/null`"
    where = f"wait in {spool}: {how}" if spool else "were in memory and are lost"
    assert told[1:] == [f"2 lines are not acknowledged and {where}"]
    assert shipper.close() == 2
    with pytest.raises(ValueError, match="the shipper is closed"):
        shipper.send("c")
    if spool:
        with collector, Shipper(HOST, collector.port, spool=spool) as shipper:
            assert shipper.flush(PATIENCE) == 0
            assert collector.lines == [b"a", b"b"]
            assert shipper.stats.delivered == 2


def test_what_is_kept_is_in_the_spool(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    shipper = Shipper(HOST, 1, spool=path, tell=lambda _: None)
    for number in range(1000):
        shipper.send(str(number))
    assert shipper.keep(PATIENCE) == 0
    carrier = shipper._runner.carrier  # type: ignore[union-attr]
    assert carrier.spool.lines == 1000
    shipper.close(0)
    spool = FileSpool(path)
    assert spool.lines == 1000
    spool.close()


def test_many_threads_share_a_shipper(collector: Collector) -> None:
    with Shipper(HOST, collector.port) as shipper:
        threads = [
            threading.Thread(target=send_all, args=(shipper, lines_of(f"t{name}", 1000))) for name in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert shipper.flush(PATIENCE) == 0
    for name in range(8):
        mine = [line for line in collector.lines if line.startswith(b"t%d " % name)]
        assert mine == lines_of(f"t{name}", 1000)


def test_a_disk_that_takes_no_more_loses_nothing(collector: Collector, tmp_path: Path) -> None:
    told: list[str] = []
    with Shipper(HOST, collector.port, spool=tmp_path / "spool", tell=told.append) as shipper:
        shipper.send("before")
        shipper.flush(PATIENCE)
        file = shipper._runner.carrier.spool._file  # type: ignore[union-attr]
        file.execute("PRAGMA max_page_count = 1")
        pages = file.execute("PRAGMA max_page_count").fetchone()[0]
        big = "x" * 60_000
        shipper.send(big)
        wait_for(lambda: told)
        shipper.send("after")
        file.execute(f"PRAGMA max_page_count = {pages + 1000}")
        assert shipper.flush(PATIENCE) == 0
    assert collector.lines == [b"before", big.encode(), b"after"]
    (text,) = told
    assert text.endswith("database or disk is full; nothing is lost so far, trying again every 1 s")


def test_many_lines_at_once_are_lines_like_others(collector: Collector, spool: str | None) -> None:
    lines = lines_of("line", 3000)
    runs = [lines[at : at + 700] for at in range(0, 3000, 1000)]
    with Shipper(HOST, collector.port, spool=spool) as shipper:
        for at, run in enumerate(runs):
            assert shipper.send_lines(b"\n".join(run) + b"\n", PATIENCE)
            send_all(shipper, lines[at * 1000 + 700 : at * 1000 + 1000])
        assert shipper.flush(PATIENCE) == 0
        stats = shipper.stats
    assert collector.lines == lines
    assert (stats.sent, stats.delivered, stats.left, stats.dropped) == (3000, 3000, 0, 0)


@pytest.mark.parametrize("full", ["drop-newest", "drop-oldest"])
def test_of_many_lines_at_once_each_that_is_dropped_is_counted(collector: Collector, full: str) -> None:
    collector.stop()
    run = b"a line of many\n" * 4000
    with Shipper(HOST, collector.port, full=full, max_bytes=LEAST_BYTES, tell=lambda _: None) as shipper:
        taken = [shipper.send_lines(run) for _ in range(40)]
        assert all(taken) is (full == "drop-oldest")
        collector.start()
        assert shipper.flush(PATIENCE) == 0
        shipper.send("the last")
        assert shipper.flush(PATIENCE) == 0
        dropped = shipper.stats.dropped
    told = sum(int(line.split()[2]) for line in collector.lines if line.startswith(b"nodelog: dropped"))
    missing = 40 * 4000 - collector.lines.count(b"a line of many")
    # A line that tells of others may be dropped too: it counts as one.
    assert 0 < told <= dropped
    assert missing <= dropped < missing + 100


@pytest.mark.parametrize("lines", [b"", b"no end", b"x\n" * 600_000])
def test_what_is_not_whole_lines_is_an_error(collector: Collector, lines: bytes) -> None:
    with Shipper(HOST, collector.port) as shipper, pytest.raises(ValueError, match="whole lines"):
        shipper.send_lines(lines)


def test_who_waits_for_acknowledgements_is_not_left_waiting_by_a_close(spool: str | None) -> None:
    shipper = Shipper(HOST, 1, spool=spool, tell=lambda _: None)
    shipper.send("a")
    left: list[int] = []
    waiting = threading.Thread(target=lambda: left.append(shipper.flush()), daemon=True)
    waiting.start()
    assert shipper.close(0) == 1
    waiting.join(PATIENCE)
    assert left == [1]
    assert shipper.flush() == 1


FORGETS = """
import sys
from nodelog import Shipper
Shipper.close.__defaults__ = (30.0,)  # a busy machine
shipper = Shipper("127.0.0.1", int(sys.argv[1]), spool=sys.argv[2] or None)
for number in range(2000):
    shipper.send(f"line {number}")
"""


def test_a_program_that_forgets_to_close_loses_nothing_at_its_end(
    collector: Collector, spool: str | None
) -> None:
    command = [sys.executable, "-c", FORGETS, str(collector.port), spool or ""]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert collector.lines == lines_of("line", 2000)
