"""Where the file system shares extents, what did not change is shared."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

from tests.daemons.compressor.archiving import Place

from nodelogd.compressor.archive.output import BLOCK, shares_extents

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024


def noise(seed: int, size: int) -> bytes:
    """Give lines that hardly compress, so that the archive is large."""
    return random.Random(seed).randbytes(size // 2).hex().encode() + b"\n"  # noqa: S311 (the same every time)


def free(path: Path) -> int:
    os.sync()
    status = os.statvfs(path)
    return status.f_bfree * status.f_frsize


def test_whole_mebibytes_are_shared_wherever_they_move_to(sharing_disk: Path) -> None:
    place = Place(sharing_disk)
    for number, name in enumerate(("a.log", "b.log", "c.log")):
        (place.logs / name).write_bytes(noise(number, 8 * MIB))
    (place.logs / "b2.log").write_bytes(noise(9, 1000))
    place.cycle()
    (place.logs / "0.log").write_bytes(noise(7, 3333))  # all others move by an odd length
    with place.target.open("rb"):  # as a reader does: the old one stays
        before = free(sharing_disk)
        outcome = place.cycle()
        assert outcome.bytes_copied > 12 * MIB
        assert before - free(sharing_disk) < 4 * MIB
    assert place.members() == {path.name: path.read_bytes() for path in place.logs.iterdir()}
    assert place.scrub().damage == ""
    place.restart()
    assert not place.cycle().published


def test_elsewhere_nothing_is_shared_and_nothing_filled_up(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (place.logs / "a.log").write_bytes(b"x\n" * (MIB // 2))
    fd = os.open(tmp_path / "probe", os.O_RDWR | os.O_CREAT)
    if not shares_extents(fd):
        assert place.cycle().archive_size < 2 * BLOCK
    assert os.fstat(fd).st_size == 0
    os.close(fd)
