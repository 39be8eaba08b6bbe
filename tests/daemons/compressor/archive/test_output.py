"""Where the file system shares extents, unchanged pieces are shared."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

from tests.daemons.compressor.workspace import Workspace

from nodelogd.compressor.archive.output import BLOCK, shares_extents

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024


def noise(seed: int, size: int) -> bytes:
    """Return data that hardly compresses, so that the archive is large."""
    return random.Random(seed).randbytes(size // 2).hex().encode() + b"\n"  # noqa: S311 (reproducible)


def free_space(path: Path) -> int:
    os.sync()
    status = os.statvfs(path)
    return status.f_bfree * status.f_frsize


def test_whole_mebibytes_are_shared_even_if_they_move(sharing_disk: Path) -> None:
    workspace = Workspace(sharing_disk)
    for number, name in enumerate(("a.log", "b.log", "c.log")):
        (workspace.logs / name).write_bytes(noise(number, 8 * MIB))
    (workspace.logs / "b2.log").write_bytes(noise(9, 1000))
    workspace.update()
    (workspace.logs / "0.log").write_bytes(noise(7, 3333))  # all others move by an odd length
    with workspace.target.open("rb"):  # a reader keeps the old archive on the disk
        before = free_space(sharing_disk)
        report = workspace.update()
        assert report.bytes_copied > 12 * MIB
        assert before - free_space(sharing_disk) < 4 * MIB
    assert workspace.members() == workspace.contents()
    assert workspace.scrub().damage == ""
    workspace.restart()
    assert not workspace.update().published


def test_without_shared_extents_nothing_is_filled_up(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (workspace.logs / "a.log").write_bytes(b"x\n" * (MIB // 2))
    fd = os.open(tmp_path / "probe", os.O_RDWR | os.O_CREAT)
    if not shares_extents(fd):
        assert workspace.update().archive_size < 2 * BLOCK
    assert os.fstat(fd).st_size == 0
    os.close(fd)
