from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from tests.faults.mounts import disk_in_memory

from nodelogd.service.files.free_space import free_space

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024


def reporting(monkeypatch: pytest.MonkeyPatch, files: int, free: int) -> None:
    status = SimpleNamespace(f_blocks=10, f_bavail=5, f_frsize=4096, f_files=files, f_favail=free)
    monkeypatch.setattr(os, "statvfs", lambda _: status)


def test_bytes_and_inodes_are_those_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporting(monkeypatch, 100, 7)
    space = free_space(tmp_path)
    assert (space.size, space.free, space.free_inodes) == (40960, 20480, 7)


@pytest.mark.parametrize(("files", "free"), [(0, 0), (100, 0)])
def test_a_file_system_that_takes_files_although_it_reports_no_inodes_does_not_count_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, free: int
) -> None:
    reporting(monkeypatch, files, free)
    assert free_space(tmp_path).free_inodes is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_a_free_inode_is_recognised(tmp_path: Path) -> None:
    with disk_in_memory(tmp_path / "small", MIB, "nr_inodes=3") as disk:
        for number in range(2):
            (disk.path / str(number)).touch()
        assert free_space(disk.path).free_inodes == 0
