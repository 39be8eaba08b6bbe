from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.fake_collector import FakeCollector
from tests.client.shipping.shipper_harness import HOST, lines_of, send_all
from tests.waiting import PATIENCE

from nodelog import NoHostError, Shipper, SpoolError
from nodelog.shipping.settings import MIN_MAX_BYTES
from nodelog.spool.file_spool import FileSpool

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["memory", "file"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return str(tmp_path / "spool") if request.param == "file" else None


def test_lines_arrive_once_and_in_order(collector: FakeCollector, spool: str | None) -> None:
    lines = lines_of("line", 5000)
    with Shipper(HOST, collector.port, spool=spool, name="pod-1") as shipper:
        send_all(shipper, lines)
        assert shipper.flush(PATIENCE) == 0
        assert collector.lines == lines
        stats = shipper.stats
    assert (stats.sent, stats.delivered, stats.left, stats.dropped) == (5000, 5000, 0, 0)
    assert (stats.connections, stats.is_connected, stats.trouble) == (1, True, "")
    assert collector.names == {"pod-1"}


def test_a_shipper_closes_its_stream_so_that_it_can_be_forgotten(collector: FakeCollector) -> None:
    with Shipper(HOST, collector.port) as shipper:
        shipper.send("a")
    assert collector.closed == 1
    assert not collector.streams
    assert collector.lines == [b"a"]


def test_with_all_acknowledged_a_collector_that_does_not_say_goodbye_is_no_fault_of_the_disk(
    collector: FakeCollector, spool: str | None
) -> None:
    collector.says_goodbye = False
    messages: list[str] = []
    shipper = Shipper(HOST, collector.port, spool=spool, tell=messages.append)
    shipper.send("a")
    assert shipper.close(PATIENCE) == 0
    assert (collector.lines, collector.closed, messages) == ([b"a"], 1, [])


def test_a_spool_that_is_in_use_is_an_error(collector: FakeCollector, tmp_path: Path) -> None:
    path = tmp_path / "spool"
    with Shipper(HOST, collector.port, spool=path), pytest.raises(SpoolError, match="in use by process"):
        Shipper(HOST, collector.port, spool=path)
    with Shipper(HOST, collector.port, spool=path):
        pass


def test_a_line_that_is_too_long_arrives_in_parts(collector: FakeCollector) -> None:
    line = b"x" * (3 * 1024 * 1024 + 5)
    with Shipper(HOST, collector.port) as shipper:
        shipper.send(line)
        assert shipper.flush(PATIENCE) == 0
    assert b"".join(collector.lines) == line
    assert len(collector.lines) == 4


def test_a_traceback_stays_one_line(collector: FakeCollector) -> None:
    with Shipper(HOST, collector.port) as shipper:
        shipper.send("Traceback:\n  File\nError\n")
    assert collector.lines == [b"Traceback:\\n  File\\nError"]


def test_a_missing_host_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOST_IP", raising=False)
    monkeypatch.delenv("HOST_IPS", raising=False)
    with pytest.raises(NoHostError, match=r"status\.hostIP"):
        Shipper()


def test_block_waits_for_room_until_its_timeout(collector: FakeCollector, spool: str | None) -> None:
    collector.reads = False
    line = b"x" * 65_535
    with Shipper(HOST, collector.port, spool=spool, max_bytes=MIN_MAX_BYTES) as shipper:
        assert [shipper.send(line, 0) for _ in range(17)] == [True] * 16 + [False]
        assert not shipper.send(line, 0.01)
        collector.reads = True
        assert shipper.send(line, PATIENCE)
        assert shipper.flush(PATIENCE) == 0
        assert shipper.stats.dropped == 0
    assert collector.lines == [line] * 17


def test_drop_newest_keeps_the_first_lines_and_reports_the_drop(
    collector: FakeCollector, spool: str | None
) -> None:
    collector.reads = False
    line = b"x" * 65_535
    with Shipper(HOST, collector.port, spool=spool, full="drop-newest", max_bytes=MIN_MAX_BYTES) as shipper:
        assert [shipper.send(line) for _ in range(20)] == [True] * 16 + [False] * 4
        collector.reads = True
        assert shipper.flush(PATIENCE) == 0
        shipper.send("later")
        assert shipper.flush(PATIENCE) == 0
        assert shipper.stats.dropped == 4
    assert collector.lines == [line] * 16 + [b"nodelog: dropped 4 lines (spool full)", b"later"]


def test_drop_oldest_keeps_the_last_lines_and_reports_the_drop_in_its_place(spool: str | None) -> None:
    collector = FakeCollector().start()
    collector.crash()
    lines = [b"%06d" % number + b"x" * 993 for number in range(5000)]
    messages: list[str] = []
    with Shipper(
        HOST, collector.port, spool=spool, full="drop-oldest", max_bytes=MIN_MAX_BYTES, tell=messages.append
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
            notice, *rest = collector.lines
    assert notice == b"nodelog: dropped %d lines (spool full)" % dropped
    assert rest == lines[dropped:]
    assert 900 < len(rest) < 1100


def test_keep_returns_when_all_lines_are_in_the_spool(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    shipper = Shipper(HOST, 1, spool=path, tell=lambda _: None)
    for number in range(1000):
        shipper.send(str(number))
    assert shipper.keep(PATIENCE) == 0
    engine = shipper._thread.driver.engine  # type: ignore[union-attr]
    assert engine.spool.lines == 1000
    shipper.close(0)
    spool = FileSpool(path)
    assert spool.lines == 1000
    spool.close()


def test_many_threads_share_a_shipper(collector: FakeCollector) -> None:
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


def test_lines_sent_in_a_batch_are_lines_like_others(collector: FakeCollector, spool: str | None) -> None:
    lines = lines_of("line", 3000)
    batches = [lines[at : at + 700] for at in range(0, 3000, 1000)]
    with Shipper(HOST, collector.port, spool=spool) as shipper:
        for at, batch in enumerate(batches):
            assert shipper.send_lines(b"\n".join(batch) + b"\n", PATIENCE)
            send_all(shipper, lines[at * 1000 + 700 : at * 1000 + 1000])
        assert shipper.flush(PATIENCE) == 0
        stats = shipper.stats
    assert collector.lines == lines
    assert (stats.sent, stats.delivered, stats.left, stats.dropped) == (3000, 3000, 0, 0)


@pytest.mark.parametrize("full", ["drop-newest", "drop-oldest"])
def test_each_dropped_line_of_a_batch_is_counted(collector: FakeCollector, full: str) -> None:
    collector.stop()
    batch = b"a line of many\n" * 4000
    with Shipper(HOST, collector.port, full=full, max_bytes=MIN_MAX_BYTES, tell=lambda _: None) as shipper:
        accepted = [shipper.send_lines(batch) for _ in range(40)]
        assert all(accepted) is (full == "drop-oldest")
        collector.start()
        assert shipper.flush(PATIENCE) == 0
        shipper.send("the last")
        assert shipper.flush(PATIENCE) == 0
        dropped = shipper.stats.dropped
    reported = sum(int(line.split()[2]) for line in collector.lines if line.startswith(b"nodelog: dropped"))
    missing = 40 * 4000 - collector.lines.count(b"a line of many")
    # A drop notice may be dropped too; it counts as one line.
    assert 0 < reported <= dropped
    assert missing <= dropped < missing + 100


@pytest.mark.parametrize("lines", [b"", b"no end", b"x\n" * 600_000])
def test_a_batch_that_is_not_whole_lines_is_an_error(collector: FakeCollector, lines: bytes) -> None:
    with Shipper(HOST, collector.port) as shipper, pytest.raises(ValueError, match="whole lines"):
        shipper.send_lines(lines)


def test_close_ends_a_flush_in_another_thread(spool: str | None) -> None:
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


def test_a_program_that_forgets_to_close_loses_nothing_at_exit(
    collector: FakeCollector, spool: str | None
) -> None:
    command = [sys.executable, "-c", FORGETS, str(collector.port), spool or ""]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert collector.lines == lines_of("line", 2000)
