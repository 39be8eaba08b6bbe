from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodelog.spool.blocks import ClosedSpoolError
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.open_files import OpenFiles


def close_others_descriptors(path: Path, other: Path) -> None:
    """Have each descriptor of a spool's files stand for another file, as a program does that closes all."""
    names = {f"{path}{suffix}" for suffix in ("", "-wal", "-shm")}
    numbers = [int(entry.name) for entry in Path("/proc/self/fd").iterdir() if read_link(entry) in names]
    assert numbers
    file = os.open(other, os.O_RDWR | os.O_CREAT)
    for number in numbers:
        os.dup2(file, number)
    os.close(file)


def read_link(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except FileNotFoundError:  # the one of the listing itself
        return ""


def test_the_files_of_a_spool_are_found(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path / "spool")
    files = OpenFiles(tmp_path / "spool")
    assert len(files._descriptors) >= 3
    assert files.are_ours()
    spool.close()
    assert not files.are_ours()
    assert OpenFiles().are_ours()


def test_a_closed_spool_writes_nothing_into_anothers_file_and_goes_on_beside_it(tmp_path: Path) -> None:
    path, other = tmp_path / "spool", tmp_path / "other"
    spool = FileSpool(path)
    spool.append([b"before"])
    close_others_descriptors(path, other)
    with pytest.raises(ClosedSpoolError, match="another part of this program closed the files"):
        spool.append([b"after"])
    spool.reopen()
    spool.append([b"after"])
    (notice,) = spool.notices
    assert f"the 1 lines in it wait for the next run on it, new lines go to {path}.child-" in notice
    spool.close()
    assert other.stat().st_size == 0

    next_run = FileSpool(path)
    assert next_run.lines == 2
    next_run.close()
