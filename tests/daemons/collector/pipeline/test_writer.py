from __future__ import annotations

import errno
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.daemons.collector.writer_harness import OTHER, STREAM, Bench, failing, writing
from tests.faults.os_calls import intercept_os_calls
from tests.waiting import PATIENCE, wait_for

from nodelogd.collector.pipeline import writer as writer_module
from nodelogd.collector.pipeline.sync_schedule import SyncMode, SyncPolicy
from nodelogd.collector.store.file_names import FileNames

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("short_intervals")


def test_batches_are_written_in_order_and_all_before_close_returns(log: Path) -> None:
    with writing(log) as bench:
        for number in range(200):
            bench.put(b"line %d\n" % number)
    assert log.read_bytes() == b"".join(b"line %d\n" % number for number in range(200))
    assert bench.count("nodelog_written_bytes_total") == log.stat().st_size
    assert bench.arenas.unwritten == 0


def test_a_busy_collector_syncs_no_more_often_than_the_gap_allows(log: Path) -> None:
    syncs = [0]

    def watch(called: str, _: tuple[Any, ...]) -> None:
        syncs[0] += called == "fdatasync"

    with writing(log, SyncPolicy(gap=0.2)) as bench:
        wait_for(lambda: bench.opened)
        with intercept_os_calls(watch):
            start = time.monotonic()
            for number in range(1, 9):
                bench.put(b"line\n", {STREAM: number})
            wait_for(lambda: bench.is_idle)
            max_syncs = (time.monotonic() - start) / 0.2 + 2
            assert 2 <= syncs[0] <= 2 * max_syncs  # data and journal


def test_batches_written_during_a_slow_sync_share_the_next_sync(log: Path) -> None:
    gate, syncs = threading.Event(), [0]

    def watch(called: str, _: tuple[Any, ...]) -> None:
        if called == "fdatasync":
            syncs[0] += 1
            assert gate.wait(PATIENCE)

    with writing(log, SyncPolicy(gap=0.0), spare=8) as bench:
        wait_for(lambda: bench.opened)
        with intercept_os_calls(watch):
            bench.put(b"line\n", {STREAM: 1})
            wait_for(lambda: syncs[0] == 2)  # data and journal, in parallel
            for number in range(2, 9):
                bench.put(b"line\n", {STREAM: number})
            gate.set()
            wait_for(lambda: len(bench.stored) == 8)
        assert syncs[0] == 4  # twice


def test_lines_nobody_waits_for_are_synced_in_the_background(log: Path) -> None:
    with writing(log) as bench:
        bench.put(b"one\n")
        wait_for(lambda: bench.count("nodelog_sync_seconds_count") >= 2)  # journal and data
    assert log.read_bytes() == b"one\n"


def test_with_sync_off_nothing_is_synced_until_close(log: Path) -> None:
    with writing(log, SyncPolicy(mode=SyncMode.OFF)) as bench:
        for number in range(20):
            bench.put(b"line\n", {STREAM: number + 1})
        wait_for(lambda: bench.is_idle)
        assert bench.count("nodelog_sync_seconds_count") == 0
    assert bench.count("nodelog_sync_seconds_count") > 0


def test_startup_on_a_full_disk_waits_for_space(log: Path) -> None:
    with failing("posix_fallocate", 5), writing(log) as bench:
        wait_for(lambda: bench.opened)
        bench.put(b"one\n")
    assert log.read_bytes() == b"one\n"


def test_a_startup_error_that_only_an_operator_can_fix_is_reported(log: Path) -> None:
    log.mkdir()
    bench = Bench(log, SyncPolicy())
    wait_for(lambda: bench.opened)
    assert isinstance(bench.opened[0], IsADirectoryError)


def test_durable_blocks_can_be_read_in_the_on_open_callback(log: Path) -> None:
    durable: list[int] = []

    def on_open(_: OSError | None) -> None:
        durable.append(bench.writer.last_durable_block(STREAM))

    bench = Bench(log, SyncPolicy(), on_open=on_open)
    wait_for(lambda: durable)
    assert bench.writer.close(PATIENCE)
    assert durable == [0]


def test_a_stuck_writer_reports_for_how_long_and_close_returns_after_its_timeout(log: Path) -> None:
    gate = threading.Event()

    def watch(called: str, _: tuple[Any, ...]) -> None:
        if called == "write":
            assert gate.wait(PATIENCE)

    with writing(log) as bench:
        wait_for(lambda: bench.opened)
        with intercept_os_calls(watch):
            bench.put(b"one\n")
            wait_for(lambda: bench.writer.seconds_stuck() > 0.05)
            assert not bench.writer.close(0.05)
            gate.set()
            wait_for(lambda: bench.writer.seconds_stuck() == 0)


def test_a_requested_rotation_takes_place_between_two_batches(log: Path) -> None:
    with writing(log) as bench:
        bench.put(b"one\n")
        bench.writer.rotate()
        bench.put(b"two\n")
    assert [sealed.path.read_bytes() for sealed in FileNames.resolve(log).sealed_files()] == [b"one\n"]
    assert log.read_bytes() == b"two\n"


def test_without_a_free_descriptor_a_background_sync_is_postponed_without_busy_waiting(
    log: Path,
) -> None:
    attempts: list[float] = []
    free = threading.Event()

    def watch(called: str, arguments: tuple[Any, ...]) -> None:
        if called == "open" and "/proc/self/fd" in str(arguments[0]):
            attempts.append(time.monotonic())
            if not free.is_set():
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with writing(log) as bench, intercept_os_calls(watch):
        bench.put(b"one\n")
        wait_for(lambda: len(attempts) >= 5)
        assert attempts[4] - attempts[0] >= 3 * writer_module.TICK
        free.set()
        wait_for(lambda: bench.count("nodelog_sync_seconds_count") >= 2)


def test_a_stream_is_forgotten_in_queue_order(log: Path) -> None:
    with writing(log) as bench:
        bench.put(b"one\n", {STREAM: 1})
        bench.writer.forget(STREAM)
        bench.put(b"two\n", {OTHER: 1})
    assert bench.writer._store.streams.durable == {OTHER: 1}
