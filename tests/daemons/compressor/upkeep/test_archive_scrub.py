"""A scrub finds what updates cannot see, and the next update repairs it."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.workspace import Workspace, log_lines

from nodelog.archive.index import index_path, read_matching_index
from nodelogd.compressor.scan.file_access import FileAnomaly, StoppedError
from nodelogd.compressor.upkeep.archive_scrub import ScrubResult

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    for name, size in (("a.log", 5_000_000), ("b.log", 5_000), ("c.log", 200_000)):
        (workspace.logs / name).write_bytes(log_lines(1, size))
    workspace.update()
    return workspace


def edit_and_append(log: Path, offset: int) -> None:
    """Change a log in the middle; with a line more, it looks to a cycle as if it had only grown."""
    with log.open("r+b") as file:
        file.seek(offset)
        file.write(b"edited")
        file.seek(0, os.SEEK_END)
        file.write(b"more\n")


def test_an_intact_archive_is_left_alone(workspace: Workspace) -> None:
    assert workspace.scrub() == ScrubResult()
    assert workspace.anomalies == []
    assert not workspace.update().published


def test_a_scrub_in_a_new_process_reads_the_index(workspace: Workspace) -> None:
    workspace.restart()
    assert workspace.scrub() == ScrubResult()
    assert not workspace.update().published


@pytest.mark.parametrize("share", [number / 10 for number in range(11)])
def test_damage_anywhere_in_the_archive_is_found_and_repaired(share: float, workspace: Workspace) -> None:
    status = workspace.target.stat()
    with workspace.target.open("r+b") as file:
        file.seek(int((status.st_size - 1) * share))
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0xFF]))
    os.utime(workspace.target, ns=(status.st_atime_ns, status.st_mtime_ns))  # a rotting disk changes no times
    damage = workspace.scrub().damage
    assert "damaged" in damage
    assert len(damage.splitlines()) == 1
    workspace.restart()  # even a new process knows
    assert workspace.update().bytes_copied == 0
    assert workspace.members()["a.log"] == (workspace.logs / "a.log").read_bytes()
    assert workspace.scrub() == ScrubResult()


@pytest.mark.parametrize("offset", [10_000, 1_500_000, 4_000_000])
def test_an_edit_in_the_middle_of_a_log_is_found_and_archived(offset: int, workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    edit_and_append(log, offset)
    workspace.update()
    assert workspace.members()["a.log"] != log.read_bytes()
    assert workspace.scrub() == ScrubResult(edited=1)
    assert workspace.anomalies == [(FileAnomaly.EDITED, "a.log")]
    assert workspace.update().published
    assert workspace.members()["a.log"] == log.read_bytes()
    assert workspace.scrub() == ScrubResult()


def test_an_edit_of_a_log_that_goes_on_growing_is_found(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    edit_and_append(log, 1_500_000)
    assert workspace.scrub() == ScrubResult(edited=1)
    assert workspace.update().published
    assert workspace.members()["a.log"] == log.read_bytes()


def test_a_hole_punched_into_a_log_is_an_edit(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    subprocess.run(["fallocate", "--punch-hole", "--offset=1MiB", "--length=1MiB", log], check=True)
    assert workspace.scrub() == ScrubResult(edited=1)
    workspace.update()
    assert workspace.members()["a.log"] == log.read_bytes()
    assert workspace.scrub() == ScrubResult()


def test_a_found_edit_survives_a_restart(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    edit_and_append(log, 1_500_000)
    workspace.update()
    assert workspace.scrub() == ScrubResult(edited=1)
    workspace.restart()  # before it could archive the edit
    workspace.update()
    assert workspace.members()["a.log"] == log.read_bytes()
    assert workspace.scrub() == ScrubResult()


def test_an_archive_that_cannot_be_read_is_rebuilt(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread = os.pread

    def bad_sector(fd: int, length: int, offset: int) -> bytes:
        if offset > 1000:
            raise OSError(errno.EIO, "Input/output error")
        return pread(fd, length, offset)

    monkeypatch.setattr(os, "pread", bad_sector)
    assert workspace.scrub().damage == "it cannot be read: Input/output error"
    monkeypatch.undo()
    assert workspace.update().bytes_copied == 0
    assert workspace.scrub() == ScrubResult()


def test_a_truncated_log_is_no_edit(workspace: Workspace) -> None:
    os.truncate(workspace.logs / "a.log", 100)
    assert workspace.scrub() == ScrubResult()


def test_a_damaged_index_is_written_again(workspace: Workspace) -> None:
    index = index_path(workspace.target)
    status = index.stat()
    index.write_bytes(b"x" * status.st_size)
    os.utime(index, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert workspace.scrub() == ScrubResult()
    assert not workspace.update().published
    read_matching_index(workspace.target)


def test_without_an_archive_or_an_index_a_scrub_finds_nothing(workspace: Workspace) -> None:
    index_path(workspace.target).unlink()
    workspace.restart()
    assert workspace.scrub() == ScrubResult()
    workspace.target.unlink()
    assert workspace.scrub() == ScrubResult()


def test_a_scrub_stops_when_asked_to(workspace: Workspace) -> None:
    workspace.is_stopping = lambda: True
    with pytest.raises(StoppedError):
        workspace.scrub()
