"""Holes and damaged pieces while an archive is assembled."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tests.daemons.compressor.workspace import log_lines

from nodelog.archive.index import read_matching_index

if TYPE_CHECKING:
    from tests.daemons.compressor.workspace import Workspace

MIB = 1024 * 1024


def test_a_sparse_log_of_nine_gibibytes_takes_no_time(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    with log.open("wb") as file:
        file.truncate(9 * 1024 * MIB)
        file.seek(5 * 1024 * MIB + 12345)
        file.write(b"in the middle\n")
    report = workspace.update()
    assert report.bytes_read < MIB
    index = read_matching_index(workspace.target)
    (member,) = index.members
    assert member.length + member.metadata.holes == 9 * 1024 * MIB
    assert report.archive_size < MIB
    with log.open("ab") as file:
        file.write(b"and at the end\n")
    assert workspace.update().bytes_compressed < MIB


def test_holes_are_zeros_in_the_archive(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    with log.open("wb") as file:
        file.write(log_lines(1, 100_000))
        file.seek(10 * MIB + 777)
        file.write(log_lines(2, 100_000))
        file.truncate(15 * MIB)
    workspace.update()
    assert workspace.members() == {"a.log": log.read_bytes()}


def test_the_logs_of_a_group_are_read_if_their_piece_is_damaged(workspace: Workspace) -> None:
    for number in range(20):
        (workspace.logs / f"{number:02}.log").write_bytes(log_lines(number, 3000))
    workspace.update()
    while time.time() < (workspace.logs / "19.log").stat().st_ctime + 0.1:
        workspace.update()
    times = workspace.target.stat()
    with workspace.target.open("r+b") as archive:
        archive.seek(500)
        archive.write(b"rot")
    os.utime(workspace.target, ns=(times.st_atime_ns, times.st_mtime_ns))
    (workspace.logs / "07.log").write_bytes(b"new\n")
    workspace.update()
    assert workspace.members() == workspace.contents()
