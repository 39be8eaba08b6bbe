"""What is noticed of each way in which a log can change without growing: `lstat` is evidence, not proof."""

from __future__ import annotations

import mmap
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.workspace import Workspace, log_lines

from nodelogd.compressor.plan import snapshots

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
LINE = b"a line that was written in place\n"


def write_at(log: Path, offset: int, data: bytes = LINE) -> None:
    with log.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def preallocated(workspace: Workspace, filled: int) -> Path:
    """Create a log of 8 MiB of which this much is filled."""
    log = workspace.logs / "ring.log"
    log.write_bytes(log_lines(1, filled))
    os.truncate(log, 8 * MIB)
    workspace.update()
    return log


@pytest.mark.parametrize("offset", [5000, MIB + 5000, 5 * MIB, 7 * MIB + 5000, 8 * MIB - len(LINE)])
def test_a_line_written_anywhere_in_a_preallocated_log_is_in_the_next_archive(
    workspace: Workspace, offset: int
) -> None:
    log = preallocated(workspace, 2 * MIB)
    write_at(log, offset)
    report = workspace.update()
    assert workspace.members() == workspace.contents()
    assert report.published


def test_a_log_filled_in_place_is_compressed_only_where_it_was_filled(workspace: Workspace) -> None:
    log = preallocated(workspace, 2 * MIB)
    write_at(log, 3 * MIB + 5000)
    report = workspace.update()
    assert workspace.members() == workspace.contents()
    assert report.bytes_compressed < 3 * MIB
    assert workspace.anomalies == []


def test_a_preallocated_log_that_also_grows_is_compared_as_a_whole(workspace: Workspace) -> None:
    log = preallocated(workspace, 2 * MIB)
    write_at(log, 3 * MIB + 5000)
    os.truncate(log, 16 * MIB)
    workspace.update()
    assert workspace.members() == workspace.contents()


def test_a_write_through_mmap_that_no_time_shows_is_in_the_next_archive(workspace: Workspace) -> None:
    log = workspace.logs / "mapped.log"
    log.write_bytes(log_lines(1, 3 * MIB) + bytes(MIB))
    with log.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[2 * MIB : 2 * MIB + 5] = b"first"
        workspace.update()
        times = log.stat().st_mtime_ns
        mapped[2 * MIB : 2 * MIB + 6] = b"second"
        workspace.update()
        assert log.stat().st_mtime_ns == times
        assert workspace.members() == workspace.contents()


def test_a_rewrite_within_one_tick_of_a_coarse_clock_is_in_the_next_archive(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(b"one\n")
    tick = 10**9 * (log.stat().st_mtime_ns // 10**9)
    status = _Coarse(log, tick)
    assert snapshots.settled_ctime(status, tick + snapshots.SECOND) == 0  # type: ignore[arg-type]
    assert snapshots.settled_ctime(status, tick + 3 * snapshots.SECOND) == tick  # type: ignore[arg-type]


class _Coarse:
    """The part of the status of a file on a file system that counts in seconds."""

    def __init__(self, log: Path, tick: int) -> None:
        self.st_ctime_ns = self.st_mtime_ns = tick
        self.st_size = log.stat().st_size


def test_a_change_of_mode_alone_compresses_nothing_again(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(log_lines(1, 5 * MIB))
    workspace.update()
    log.chmod(0o640)
    report = workspace.update()
    assert (report.published, report.bytes_compressed < 2 * MIB) == (True, True)
    assert workspace.members() == workspace.contents()


def test_a_hole_punched_into_a_log_is_in_the_next_archive(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(log_lines(1, 5 * MIB))
    workspace.update()
    subprocess.run(["fallocate", "--punch-hole", "--offset=1MiB", "--length=1MiB", log], check=True)
    workspace.update()
    assert workspace.members() == workspace.contents()
