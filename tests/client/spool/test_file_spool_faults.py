"""A spool's file on a full disk, damaged, rolled back, or in use by another process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.client.spool.spool_files import WRITER, abandon, held

from nodelog.spool.blocks import BLOCK_BYTES, DamagedSpoolError, SpoolError
from nodelog.spool.file_spool import FileSpool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_a_second_process_gets_an_error_that_names_the_holder(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(
            SpoolError, match=f"{path} is in use by process {writer.pid} on .*; one process per"
        ):
            FileSpool(path)
        writer.kill()
    FileSpool(path).close()


def test_a_file_that_is_not_a_spool_is_not_locked(path: Path) -> None:
    path.write_text("a letter")
    for _ in range(2):
        with pytest.raises(SpoolError, match="is not a spool"):
            FileSpool(path)


def test_a_spool_that_was_rolled_back_gives_new_lines_no_old_name(path: Path) -> None:
    spool = FileSpool(path)
    spool.append([b"a"])
    abandon(spool)
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    names: set[bytes] = set()
    for _ in range(2):
        shutil.copy(copy, path)
        spool = FileSpool(path)
        spool.append([b"new"])
        names |= held(spool).keys()
        abandon(spool)
    assert len(names) == 3


def test_a_full_disk_is_an_error_that_loses_nothing(path: Path) -> None:
    spool = FileSpool(path)
    spool.append([b"a"])
    pages = spool._database.execute("PRAGMA page_count").fetchone()[0]
    spool._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(SpoolError, match=f"^cannot use spool {path}: database or disk is full$"):
        spool.append([b"b" * 50_000])
    spool.append([b"c"])
    spool._database.execute("PRAGMA max_page_count = 100000")
    spool.append([b"b" * 50_000])
    (data,) = (data for _, data in held(spool)[spool.stream])
    assert data == b"a\nc\n" + b"b" * 50_000 + b"\n"
    spool.close()


def test_a_file_damaged_in_use_is_moved_aside_and_its_lines_are_counted(path: Path) -> None:
    spool = FileSpool(path)
    for letter in range(100):
        spool.append([bytes([65 + letter % 26]) * BLOCK_BYTES])
    spool.sync_removals()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(4096 * 1000))
    with pytest.raises(DamagedSpoolError, match=f"spool {path} is damaged"):
        [spool.read(block) for block in spool.blocks(spool.stream)]
    spool.reopen()
    assert (spool.lines, spool.aside, spool.removed, spool.streams()) == (0, 100, 100, [])
    (notice,) = spool.notices
    assert f"it is kept as {path}.damaged-1" in notice
    spool.append([b"new"])
    assert held(spool) == {spool.stream: [(1, b"new\n")]}
    spool.close()


def test_a_spool_that_cannot_be_opened_again_is_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = FileSpool(path)
    spool.append([b"a"])
    with monkeypatch.context() as patch:
        patch.setattr("nodelog.spool.file_spool.open_spool_database", _raising(SpoolError("no")))
        with pytest.raises(SpoolError, match="no"):
            spool.reopen()
    assert (spool.lines, spool.aside) == (0, 1)
    with pytest.raises(DamagedSpoolError):
        spool.append([b"b"])
    spool.reopen()
    assert (spool.lines, spool.aside, spool.removed) == (1, 0, 0)
    spool.append([b"b"])
    assert [data for blocks in held(spool).values() for _, data in blocks] == [b"a\n", b"b\n"]
    spool.close()


def _raising(error: Exception) -> object:
    def raises(*_: object) -> Iterator[None]:
        raise error

    return raises
