"""Logs that cannot be read, or that vanish, shrink or fail while they are read."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.workspace import Workspace, log_lines

from nodelogd.compressor.scan.file_access import FileAnomaly

if TYPE_CHECKING:
    from nodelogd.compressor.scan.listing import LogFile


MIB = 1024 * 1024


def test_an_unreadable_log_is_left_out_and_reported(workspace: Workspace) -> None:
    for name in ("a.log", "b.log", "c.log"):
        (workspace.logs / name).write_bytes(log_lines(1, 300))

    def open_file(file: LogFile) -> int:
        if file.name.endswith("b.log"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return workspace.open(file)

    workspace.open_file = open_file
    assert workspace.update().files == 2
    assert workspace.anomalies == [(FileAnomaly.UNREADABLE, "b.log")]
    assert workspace.texts == [
        f"{workspace.logs}/b.log cannot be read: Permission denied; it is not archived"
    ]
    assert workspace.members().keys() == {"a.log", "c.log"}
    assert not workspace.update().published  # an unreadable log is no change
    assert workspace.anomalies == [(FileAnomaly.UNREADABLE, "b.log")]


def test_a_log_that_becomes_unreadable_is_removed_from_the_archive(workspace: Workspace) -> None:
    for name in ("a.log", "b.log"):
        (workspace.logs / name).write_bytes(log_lines(1, 300_000))
    workspace.update()

    def open_file(file: LogFile) -> int:
        if file.name.endswith("b.log"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return workspace.open(file)

    workspace.open_file = open_file
    (workspace.logs / "b.log").chmod(0)
    assert workspace.update().published
    assert workspace.members().keys() == {"a.log"}
    assert not workspace.update().published


def test_a_log_that_vanishes_before_its_turn_is_left_out(workspace: Workspace) -> None:
    for name in ("a.log", "b.log"):
        (workspace.logs / name).write_bytes(log_lines(1, 300))

    def open_file(file: LogFile) -> int:
        (workspace.logs / "b.log").unlink(missing_ok=True)
        return workspace.open(file)

    workspace.open_file = open_file
    workspace.update()
    assert workspace.anomalies == [(FileAnomaly.VANISHED, "b.log")]
    assert workspace.members().keys() == {"a.log"}


@pytest.mark.parametrize("size", [90_000, 5_000_000])
def test_a_log_that_shrinks_while_it_is_read_is_read_again(
    size: int, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 5000))
    log = workspace.logs / "b.log"
    log.write_bytes(log_lines(2, size))
    (workspace.logs / "c.log").write_bytes(log_lines(3, 5000))
    real, reads = os.preadv, []

    def preadv(fd: int, buffers: list[memoryview], offset: int) -> int:
        if os.fstat(fd).st_ino == log.stat().st_ino:
            reads.append(offset)
            if offset >= size - 70_000 or len(reads) == 3:
                os.truncate(log, 40_000)
        return real(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    workspace.update()
    assert (FileAnomaly.SHRANK, "b.log") in workspace.anomalies
    members = workspace.members()
    assert members["b.log"] == log_lines(2, size)[: log_lines(2, size).rfind(b"\n", 0, 40_000) + 1]
    assert (members["a.log"], members["c.log"]) == (log_lines(1, 5000), log_lines(3, 5000))


def test_a_log_that_cannot_be_read_to_its_end_leaves_no_trace(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 5000))
    log = workspace.logs / "b.log"
    log.write_bytes(log_lines(2, 5_000_000))
    real = os.preadv

    def preadv(fd: int, buffers: list[memoryview], offset: int) -> int:
        if offset == 2 * MIB:
            raise OSError(errno.EIO, "Input/output error")
        return real(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    workspace.update()
    assert workspace.anomalies == [(FileAnomaly.UNREADABLE, "b.log")]
    assert workspace.members() == {"a.log": log_lines(1, 5000)}
