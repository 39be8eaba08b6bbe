from __future__ import annotations

import errno
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.daemons.collector.writer_harness import OTHER, STREAM, blocking_syncs, disk_full, failing, writing
from tests.faults.os_calls import intercept_os_calls
from tests.waiting import PATIENCE, wait_for

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.pipeline.sync_schedule import SyncMode, SyncPolicy
from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.log_store import LogStore, StoreSettings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("short_intervals")


@pytest.mark.parametrize(
    "policy",
    [SyncPolicy(gap=0.001), SyncPolicy(mode=SyncMode.INTERVAL, interval=0.02), SyncPolicy(mode=SyncMode.OFF)],
)
def test_a_full_disk_loses_and_duplicates_nothing_and_is_reported(log: Path, policy: SyncPolicy) -> None:
    with writing(log, policy) as bench:
        bench.put(b"one\n", {STREAM: 1})
        wait_for(lambda: bench.count("nodelog_written_bytes_total") == 4)
        space = threading.Event()
        with disk_full(space):
            bench.put(b"two\n", {STREAM: 2})
            wait_for(lambda: "No space left on device" in bench.health.not_ready_reasons().get("disk", ""))
            space.set()
            bench.put(b"three\n")
            wait_for(lambda: not bench.health.not_ready_reasons())
    assert log.read_bytes() == b"one\ntwo\nthree\n"
    assert bench.count("nodelog_write_failures_total", what="write") > 0


@pytest.mark.parametrize("number", [errno.EROFS, errno.EDQUOT, errno.EIO, errno.EPERM, errno.EACCES])
def test_whatever_the_disk_refuses_a_batch_with_it_is_written_once_it_no_longer_does(
    log: Path, number: int
) -> None:
    refused = OSError(number, os.strerror(number))
    with writing(log) as bench:
        bench.put(b"one\n", {STREAM: 1})
        wait_for(lambda: bench.count("nodelog_written_bytes_total") == 4)
        is_refused = True

        def refuse(name: str, _: tuple[Any, ...]) -> None:
            if is_refused and name in {"write", "pwrite", "link", "rename", "replace"}:
                raise refused

        with intercept_os_calls(refuse):
            bench.put(b"two\n", {STREAM: 2})
            wait_for(lambda: os.strerror(number) in bench.health.not_ready_reasons().get("disk", ""))
            bench.writer.rotate()
            wait_for(lambda: "rotation" in bench.health.degraded_reasons())
            is_refused = False
            wait_for(lambda: not bench.health.not_ready_reasons())
        bench.writer.rotate()
        wait_for(lambda: not bench.health.degraded_reasons())
    assert [file.path.read_bytes() for file in FileNames(log).sealed_files()] == [b"one\ntwo\n"]


def test_a_requested_rotation_does_not_wait_behind_a_batch_that_the_disk_refuses(log: Path) -> None:
    with writing(log) as bench:
        bench.put(b"one\n")
        wait_for(lambda: bench.count("nodelog_written_bytes_total") == 4)
        space = threading.Event()
        with disk_full(space):
            bench.put(b"two\n")
            wait_for(lambda: "disk" in bench.health.not_ready_reasons())
            bench.writer.rotate()
            wait_for(lambda: bench.count("nodelog_rotations_total") == 1)
            space.set()
            wait_for(lambda: not bench.health.not_ready_reasons())
    assert log.read_bytes() == b"two\n"
    assert [file.path.read_bytes() for file in FileNames(log).sealed_files()] == [b"one\n"]


def test_a_batch_that_owes_acks_is_held_until_it_is_synced_and_so_are_lines_behind_it(log: Path) -> None:
    gate = threading.Event()

    def before(called: str, _: tuple[Any, ...]) -> None:
        if called == "fdatasync":
            assert gate.wait(PATIENCE)

    with writing(log) as bench:
        wait_for(lambda: bench.opened)
        with intercept_os_calls(before):
            bench.put(b"one\n", {STREAM: 1})
            wait_for(lambda: log.read_bytes() == b"one\n")
            assert not bench.is_idle
            assert bench.stored == []
            gate.set()
            wait_for(lambda: bench.is_idle)
        bench.put(b"two\n")
        wait_for(lambda: bench.is_idle)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_after_a_failed_sync_held_batches_are_stored_once_and_the_file_is_not_synced_again(
    log: Path, times: int
) -> None:
    with writing(log) as bench:
        bench.put(b"lines\n")
        wait_for(lambda: bench.is_idle)
        with failing("fdatasync", times, errno.EIO):
            bench.put(b"one\n", {STREAM: 1})
            bench.put(b"two\n", {STREAM: 2})
            bench.put(b"more lines\n")
            wait_for(lambda: bench.is_idle and not bench.health.not_ready_reasons())
    stored = (
        b"".join(sealed.path.read_bytes() for sealed in FileNames.resolve(log).sealed_files())
        + log.read_bytes()
    )
    assert stored == b"lines\none\ntwo\nmore lines\n"
    assert FileNames.resolve(log).sealed_files()
    assert LogStore(FileNames.resolve(log), StoreSettings(), Metrics()).streams.durable == {STREAM: 2}


def test_a_failed_background_sync_seals_the_file_and_keeps_its_lines(log: Path) -> None:
    with writing(log) as bench, failing("fdatasync", 1, errno.EIO):
        bench.put(b"one\n")
        wait_for(lambda: bench.count("nodelog_rotations_total") == 1)
        bench.put(b"two\n")
    assert [sealed.path.read_bytes() for sealed in FileNames.resolve(log).sealed_files()] == [b"one\n"]
    assert log.read_bytes() == b"two\n"


@pytest.mark.parametrize(
    ("policy", "fence", "waits"),
    [
        (SyncPolicy(gap=0.001), False, True),
        (SyncPolicy(gap=0.001), True, True),
        (SyncPolicy(mode=SyncMode.INTERVAL, interval=60), False, False),
        (SyncPolicy(mode=SyncMode.INTERVAL, interval=60), True, True),
        (SyncPolicy(mode=SyncMode.OFF), False, False),
        (SyncPolicy(mode=SyncMode.OFF), True, False),
    ],
)
def test_acks_wait_for_a_sync_as_the_policy_requires_and_a_fence_waits_unless_syncs_are_off(
    log: Path, policy: SyncPolicy, *, fence: bool, waits: bool
) -> None:
    gate = threading.Event()
    with writing(log, policy) as bench:
        wait_for(lambda: bench.opened)
        with blocking_syncs(gate):
            bench.put(b"one\n", {STREAM: 1}, fence=fence)
            wait_for(lambda: log.read_bytes() == b"one\n")
            wait_for(lambda: bench.writer.seconds_stuck() > 0.05 if waits else bench.stored)
            assert len(bench.stored) == (not waits)
            gate.set()
            wait_for(lambda: len(bench.stored) == 1)
        last_block = bench.writer.last_durable_block(STREAM)
        assert last_block == (0 if policy.mode is SyncMode.INTERVAL and not fence else 1)


def test_a_batch_without_lines_is_recorded_synced_and_acknowledged(log: Path) -> None:
    with writing(log) as bench:
        bench.put(b"", acks=3)
        wait_for(lambda: bench.stored == [{bench.owner: 3}])
        bench.put(b"", {STREAM: 1})  # a probe: a block without bytes
        wait_for(lambda: bench.stored[1:] == [{bench.owner: 1}])
        bench.put(b"one\n")
    assert log.read_bytes() == b"one\n"
    assert LogStore(FileNames.resolve(log), StoreSettings(), Metrics()).streams.durable == {STREAM: 1}


def test_the_file_is_not_rotated_before_awaited_batches_are_durable_with_or_without_blocks(log: Path) -> None:
    gate = threading.Event()
    with writing(log) as bench:
        wait_for(lambda: bench.opened)
        with blocking_syncs(gate):
            bench.writer._schedule._last_awaited_sync = (
                time.monotonic() + 60
            )  # so that only the rotation syncs
            bench.put(b"one\n", acks=1)
            wait_for(lambda: log.read_bytes() == b"one\n")
            bench.writer.rotate()
            wait_for(lambda: bench.writer.seconds_stuck() > 0.05)
            assert (bench.stored, FileNames.resolve(log).sealed_files()) == ([], [])
            gate.set()
            wait_for(lambda: FileNames.resolve(log).sealed_files())
            bench.writer._schedule._last_awaited_sync = 0.0
            bench.writer.forget(OTHER)  # any command wakes the writer
            wait_for(lambda: bench.stored == [{bench.owner: 1}])


def test_after_a_failed_sync_each_frame_is_acknowledged_once(log: Path) -> None:
    with writing(log) as bench, failing("fdatasync", 3, errno.EIO):
        bench.put(b"one\n", acks=2)
        bench.put(b"", acks=1)
        bench.put(b"two\n", {STREAM: 1})
        wait_for(lambda: len(bench.stored) == 3 and bench.is_idle)
    assert [sum(receipts.values()) for receipts in bench.stored] == [2, 1, 1]


def test_written_bytes_do_not_count_as_unwritten_while_their_ack_waits(log: Path) -> None:
    gate = threading.Event()
    with writing(log) as bench:
        wait_for(lambda: bench.opened)
        with blocking_syncs(gate):
            bench.put(b"one\n", {STREAM: 1})
            wait_for(lambda: bench.count("nodelog_written_bytes_total") == 4)
            assert (bench.arenas.unwritten, bench.stored) == (0, [])
            gate.set()
