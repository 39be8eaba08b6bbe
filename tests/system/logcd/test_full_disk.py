"""A disk that fills up at any point of a cycle leaves the old archive, and the next cycle continues."""

from __future__ import annotations

import errno
import os
import random
from typing import TYPE_CHECKING, Any

import pytest
from tests.archive_contents import archive_contents, assert_archive_whole, log_contents
from tests.faults.mounts import disk_in_memory
from tests.faults.os_calls import intercept_os_calls
from tests.in_process_compressor import new_compressor, run_cycle
from tests.monitors import LivenessMonitor
from tests.processes.logcd import ARCHIVE_NAME
from tests.waiting import wait_for

from nodelog.archive.index import index_path
from nodelogd.compressor.compressor import CycleResult

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.faults.mounts import SmallDisk
    from tests.processes.logcd import StartLogcd

    from nodelogd.compressor.compressor import Compressor

MIB = 1024 * 1024
PAGE = 4096
TRIALS = 20
FAILING_CALLS = {"copy_file_range", "fchmod", "fsync", "open", "pwrite", "pwritev", "replace", "write"}


@pytest.fixture
def disk(tmp_path: Path) -> Generator[SmallDisk]:
    """Mount a disk of 64 MiB in memory."""
    with disk_in_memory(tmp_path / "disk", 64 * MIB) as mounted:
        yield mounted


def noise(seed: int, size: int) -> bytes:
    """Return data that hardly compresses."""
    return random.Random(seed).randbytes(size // 2).hex().encode() + b"\n"  # noqa: S311 (reproducible)


def test_a_disk_that_fills_up_at_any_stage_leaves_the_old_archive(
    disk: SmallDisk, logs: Path, logcd: StartLogcd
) -> None:
    (logs / "a.log").write_bytes(noise(0, MIB))
    daemon = logcd(f"--out={disk.path}")
    archive = disk.path / ARCHIVE_NAME
    for trial in range(TRIALS):
        before, size = log_contents(logs), archive.stat().st_size
        with (logs / "a.log").open("ab") as file:
            file.write(noise(trial + 1, MIB // 32))
        # From no room at all to room for the archive but hardly for its index.
        disk.fill(but=size * trial // (TRIALS - 4) // PAGE * PAGE)
        daemon.cycle()
        found = archive_contents(archive, logs)
        assert found in (before, log_contents(logs))
        assert_archive_whole(archive)
        disk.clear()
        daemon.cycle()
        assert archive_contents(archive, logs) == log_contents(logs)
    assert daemon.metric("nodelog_archive_cycles_total", result="failed") >= TRIALS // 2
    wait_for(lambda: "No space left on device" in str(daemon.records("cannot update")))


def test_a_full_disk_at_the_start_is_waited_for(disk: SmallDisk, logs: Path, logcd: StartLogcd) -> None:
    (logs / "a.log").write_bytes(noise(0, MIB))
    disk.fill()
    daemon = logcd(f"--out={disk.path}", "--every=100ms", ready=False)
    with LivenessMonitor(daemon):
        wait_for(lambda: "No space left on device" in str(daemon.readyz()[1]))
        disk.clear()
        daemon.wait_ready()
    assert archive_contents(disk.path / ARCHIVE_NAME, logs) == log_contents(logs)


def test_old_archives_make_room_for_the_next(disk: SmallDisk, logs: Path, logcd: StartLogcd) -> None:
    (logs / "a.log").write_bytes(noise(0, MIB))
    old = [disk.path / f"logs-2020-01-0{day}.tgz" for day in (1, 2, 3)]
    for path in old:
        path.write_bytes(bytes(16 * MIB))
    disk.fill()
    daemon = logcd(
        f"--out={disk.path}", "--name=logs-{date}.tgz", "--keep-free=30%", "--every=100ms", ready=False
    )
    daemon.wait_ready()
    assert [path.exists() for path in old] == [False, False, True]
    wait_for(lambda: len(daemon.records("removed by --keep-free")) == 2)
    daemon.stop()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_fault_in_any_call_leaves_the_old_or_the_new_archive(logs: Path, number: int) -> None:
    for path in (logs / "a.log", logs / "b.log"):
        path.write_bytes(noise(0, MIB * 5 // 4))
    compressor = new_compressor(logs)
    assert run_cycle(compressor) is CycleResult.PUBLISHED
    failed, calls = True, 0
    while failed:
        calls += 1
        before = log_contents(logs)
        with (logs / "b.log").open("ab") as file:
            file.write(noise(calls, 1000))
        failed = fails_from_call(compressor, calls, number)
        assert archive_contents(logs / ARCHIVE_NAME, logs) in (before, log_contents(logs)), (
            f"from call {calls} on"
        )
        assert_archive_whole(logs / ARCHIVE_NAME)
        assert run_cycle(compressor) in {CycleResult.PUBLISHED, CycleResult.UNCHANGED}
        assert archive_contents(logs / ARCHIVE_NAME, logs) == log_contents(logs), f"from call {calls} on"
    assert calls > 8  # otherwise the calls were not intercepted


def fails_from_call(compressor: Compressor, first: int, number: int) -> bool:
    """Run a cycle in which every call from the n-th fails; return whether there was one."""
    calls = 0

    def before(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal calls
        reads = name == "open" and not arguments[1] & (os.O_WRONLY | os.O_RDWR)
        if name not in FAILING_CALLS or reads:
            return
        calls += 1
        if calls >= first:
            raise OSError(number, os.strerror(number))

    with intercept_os_calls(before):
        result = run_cycle(compressor)
    if calls < first:
        assert result is CycleResult.PUBLISHED
    elif result is CycleResult.PUBLISHED:  # all but its index, which the next cycle writes
        assert not index_path(compressor.current_archive()).exists()
    return calls >= first
