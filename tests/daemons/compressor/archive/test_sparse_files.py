"""Holes cost nothing, and what is between them is read by every tar that knows sparse files."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.workspace import Workspace, log_lines

from nodelog.archive.archive_reader import open_archive
from nodelog.archive.integrity import check_integrity

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024


def write_sparse(path: Path, size: int, *offsets: int) -> None:
    """Create a file of holes with lines at these offsets."""
    with path.open("wb") as file:
        for offset in offsets:
            file.seek(offset)
            file.write(log_lines(offset + 1, 50_000))
        file.truncate(max(size, file.tell()))


def test_a_tebibyte_of_holes_costs_nothing(workspace: Workspace) -> None:
    write_sparse(workspace.logs / "hole.log", 2**40)
    write_sparse(workspace.logs / "end.log", 2**40, 0)
    write_sparse(workspace.logs / "start.log", 0, 2**40)
    for _ in range(2):
        report = workspace.update()
        assert report.archive_size < 100_000
        assert report.bytes_read < MIB
    with open_archive(workspace.target) as archive:
        assert check_integrity(archive).damaged == ()


@pytest.mark.parametrize("extractor", [["tar", "-xzf"], ["bsdtar", "-xf"]], ids=["GNU tar", "libarchive"])
def test_tar_extracts_the_same_bytes(workspace: Workspace, extractor: list[str], tmp_path: Path) -> None:
    write_sparse(workspace.logs / "front.log", 0, 100 * MIB)
    write_sparse(workspace.logs / "many.log", 200 * MIB, *range(0, 100 * MIB, 2 * MIB))
    write_sparse(workspace.logs / ("n" * 150), 64 * MIB, 5 * MIB)
    workspace.update()
    workspace.update()  # the zeros after the last line have waited
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run([*extractor, workspace.target, "-C", out], check=True)
    folder = out / str(workspace.logs).lstrip("/")
    for path in workspace.logs.iterdir():
        subprocess.run(["cmp", path, folder / path.name], check=True)


def test_a_sparse_log_grows_and_is_filled_in(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    write_sparse(log, 0, 20 * MIB)
    workspace.update()
    assert workspace.members() == workspace.contents()
    with log.open("ab") as file:
        file.write(log_lines(3, 3 * MIB))
    workspace.update()
    assert workspace.members() == workspace.contents()
    with log.open("r+b") as file:
        file.seek(4 * MIB)
        file.write(b"filled in\n")
    workspace.update()
    assert workspace.members() == workspace.contents()
    assert workspace.scrub().edited == 0
    os.truncate(log, 0)
    log.write_bytes(b"new\n")
    workspace.update()
    assert workspace.members() == workspace.contents()


def test_small_holes_are_zeros_that_any_tar_reads(workspace: Workspace) -> None:
    write_sparse(workspace.logs / "a.log", 0, 5 * MIB)
    workspace.update()
    with open_archive(workspace.target) as archive:
        (member,) = archive.members()
        assert member.info.sparse is None  # type: ignore[union-attr]
    assert workspace.members() == workspace.contents()
