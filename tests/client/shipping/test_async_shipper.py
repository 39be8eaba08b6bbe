from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.fake_collector import FakeCollector
from tests.client.shipping.shipper_harness import HOST, unacknowledged
from tests.waiting import PATIENCE, until

from nodelog import AsyncShipper, SpoolError
from nodelog.shipping.settings import MIN_MAX_BYTES
from nodelog.spool.file_spool import FileSpool

if TYPE_CHECKING:
    from pathlib import Path


def lines_of(count: int) -> list[bytes]:
    """Return numbered lines."""
    return [b"line %d" % number for number in range(count)]


@pytest.fixture(params=["memory", "file"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return str(tmp_path / "spool") if request.param == "file" else None


async def test_lines_arrive_once_and_in_order(collector: FakeCollector, spool: str | None) -> None:
    async with AsyncShipper(HOST, collector.port, spool=spool, name="pod-1") as shipper:
        for line in lines_of(5000):
            assert await shipper.send(line)
        assert await shipper.flush(PATIENCE) == 0
        assert shipper.stats.delivered == 5000
    assert collector.lines == lines_of(5000)
    assert collector.names == {"pod-1"}
    assert collector.closed == 1
    assert not collector.streams


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("ending", ["crash", "stop"])
async def test_nothing_is_lost_or_duplicated_when_the_collector_is_restarted(
    collector: FakeCollector, spool: str | None, ending: str
) -> None:
    async with AsyncShipper(HOST, collector.port, spool=spool, tell=lambda _: None) as shipper:
        for number, line in enumerate(lines_of(3000)):
            await shipper.send(line)
            if number % 1000 == 500:
                await shipper.flush(0.005)
                await asyncio.to_thread(getattr(collector, ending))
                await asyncio.to_thread(collector.start)
        assert await shipper.flush(PATIENCE) == 0
    assert collector.lines == lines_of(3000)


async def test_the_loop_keeps_running_while_lines_wait(collector: FakeCollector, spool: str | None) -> None:
    collector.reads = False
    async with AsyncShipper(HOST, collector.port, spool=spool) as shipper:
        for line in lines_of(10):
            await shipper.send(line)
        assert await shipper.flush(0.05) == 10
        assert await shipper.keep(PATIENCE) == 0
        collector.reads = True
        assert await shipper.flush(PATIENCE) == 0


async def test_block_waits_for_room(collector: FakeCollector, spool: str | None) -> None:
    collector.reads = False
    line = b"x" * 65_535
    async with AsyncShipper(HOST, collector.port, spool=spool, max_bytes=MIN_MAX_BYTES) as shipper:
        for _ in range(16):
            await shipper.send(line)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await shipper.send(line)
        collector.reads = True
        assert await shipper.send(line)
        assert await shipper.flush(PATIENCE) == 0
    assert collector.lines == [line] * 17


async def test_drop_newest_is_reported_in_the_stream(collector: FakeCollector) -> None:
    collector.reads = False
    async with AsyncShipper(HOST, collector.port, full="drop-newest", max_bytes=MIN_MAX_BYTES) as shipper:
        assert [await shipper.send(b"x" * 65_535) for _ in range(18)] == [True] * 16 + [False] * 2
        collector.reads = True
        assert await shipper.flush(PATIENCE) == 0
    assert collector.lines[16:] == [b"nodelog: dropped 2 lines (spool full)"]


async def test_close_reports_how_many_lines_are_left(spool: str | None) -> None:
    collector = FakeCollector().start()
    collector.crash()
    messages: list[str] = []
    async with AsyncShipper(HOST, collector.port, spool=spool, tell=messages.append) as shipper:
        await shipper.send("a")
        await shipper.send("b")
        assert await shipper.close(0.05) == 2
        assert await shipper.close() == 2
        with pytest.raises(ValueError, match="the shipper is closed"):
            await shipper.send("c")
        assert await shipper.flush(PATIENCE) in {0, 2}
    assert messages[-1] == unacknowledged(2, spool)
    if spool:
        again = FileSpool(spool)
        assert again.lines == 2
        again.close()


async def test_a_spool_that_is_in_use_is_an_error(collector: FakeCollector, tmp_path: Path) -> None:
    async with AsyncShipper(HOST, collector.port, spool=tmp_path / "spool"):
        with pytest.raises(SpoolError, match="in use by process"):
            async with AsyncShipper(HOST, collector.port, spool=tmp_path / "spool"):
                pass


@pytest.mark.parametrize("name", ["send", "keep", "flush", "close", "stats"])
async def test_without_async_with_it_says_what_to_do(name: str) -> None:
    shipper = AsyncShipper(HOST, tell=lambda _: None)
    with pytest.raises(RuntimeError, match="use it as `async with AsyncShipper"):
        await getattr(shipper, name)(*["a"] * (name == "send"))


async def test_a_line_that_is_too_long_arrives_in_parts(collector: FakeCollector) -> None:
    line = b"x" * (2 * 1024 * 1024 + 5)
    async with AsyncShipper(HOST, collector.port) as shipper:
        assert await shipper.send(line)
        assert await shipper.flush(PATIENCE) == 0
    assert b"".join(collector.lines) == line


async def test_a_cancelled_program_delivers_and_releases_its_spool(
    collector: FakeCollector, tmp_path: Path
) -> None:
    async def run() -> None:
        async with AsyncShipper(HOST, collector.port, spool=tmp_path / "spool") as shipper:
            await shipper.send("a")
            started.set()
            await asyncio.Event().wait()

    started = asyncio.Event()
    task = asyncio.create_task(run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert collector.lines == [b"a"]
    FileSpool(tmp_path / "spool").close()


async def test_cancelling_all_tasks_loses_no_line_and_raises_nothing(
    collector: FakeCollector, spool: str | None
) -> None:
    async def work() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await shipper.send("goodbye")

    started = asyncio.Event()
    async with AsyncShipper(HOST, collector.port, spool=spool) as shipper:
        await shipper.send("a")
        worker = asyncio.create_task(work())
        await started.wait()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert worker.cancelled()
    assert collector.lines == [b"a", b"goodbye"]


async def test_a_close_that_is_cut_short_leaves_nothing_locked(
    collector: FakeCollector, spool: str | None
) -> None:
    shipper = AsyncShipper(HOST, 1, spool=spool, tell=lambda _: None)
    await shipper.__aenter__()
    await shipper.send("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await shipper.close(PATIENCE)
    assert await shipper.close(PATIENCE) == 1
    async with AsyncShipper(HOST, collector.port, spool=spool) as second:
        await second.send("b")
        assert await second.flush(PATIENCE) == 0
    assert collector.lines == ([b"a", b"b"] if spool else [b"b"])


async def test_an_opening_that_is_cut_short_leaves_nothing_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_slowly(path: str) -> FileSpool:
        opening.set()
        assert may_open.wait(PATIENCE)
        return FileSpool(path)

    opening, may_open = threading.Event(), threading.Event()
    monkeypatch.setattr("nodelog.shipping.async_shipper.open_spool", open_slowly)
    task = asyncio.create_task(AsyncShipper(HOST, 1, spool=tmp_path / "spool").__aenter__())
    assert await asyncio.to_thread(opening.wait, PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    may_open.set()
    await until(lambda: not any(thread.name.startswith("nodelog") for thread in threading.enumerate()))
    FileSpool(tmp_path / "spool").close()


def test_a_loop_that_ends_without_close_sends_all_lines_and_releases_the_file(
    collector: FakeCollector, spool: str | None
) -> None:
    async def forget() -> None:
        shipper = AsyncShipper(HOST, collector.port, spool=spool)
        await shipper.__aenter__()
        shippers.append(shipper)
        for line in lines_of(100):
            await shipper.send(line)

    shippers: list[AsyncShipper] = []
    asyncio.run(forget())
    assert collector.lines == lines_of(100)
    assert collector.closed == 1
    if spool:
        FileSpool(spool).close()


async def test_a_fault_of_a_step_ends_it_and_is_raised_by_close(
    collector: FakeCollector, spool: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    shipper = AsyncShipper(HOST, collector.port, spool=spool, tell=lambda _: None)
    await shipper.__aenter__()
    monkeypatch.setattr(shipper._driver, "step", fail)
    await shipper.send("a")
    with pytest.raises(ZeroDivisionError):
        await shipper.close(PATIENCE)
    if spool:
        again = FileSpool(spool)
        assert again.lines == 1
        again.close()
