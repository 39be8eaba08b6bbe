"""After an update the archive holds exactly the snapshots, whatever happened to the logs."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.workspace import Workspace, log_lines

from nodelog.archive.index import index_path
from nodelogd.compressor.archive_updater import ArchiveUpdater
from nodelogd.compressor.scan.file_access import FileAnomaly, StoppedError

if TYPE_CHECKING:
    from pathlib import Path


MIB = 1024 * 1024


def test_the_first_update_archives_everything_and_the_second_writes_nothing(workspace: Workspace) -> None:
    contents = {
        "a.log": log_lines(1, 3_000_000),
        "b.log": log_lines(2, 500),
        "c.log": b"",
        "d.log": log_lines(3, 200_000),
    }
    for name, data in contents.items():
        (workspace.logs / name).write_bytes(data)
    report = workspace.update()
    assert (report.published, report.files, report.changed) == (True, 4, 4)
    assert report.archive_size == workspace.target.stat().st_size
    assert workspace.members() == contents
    before = workspace.target.stat()
    report = workspace.update()
    assert (report.published, report.files, report.changed, report.bytes_read) == (False, 4, 0, 0)
    assert workspace.target.stat() == before
    assert workspace.leftovers() == []


def test_a_new_process_continues_from_the_index(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 3_000_000))
    workspace.update()
    workspace.restart()
    assert not workspace.update().published
    with (workspace.logs / "a.log").open("ab") as file:
        file.write(log_lines(2, 1000))
    workspace.restart()
    assert workspace.update().bytes_read < 2 * MIB
    assert workspace.members() == {"a.log": (workspace.logs / "a.log").read_bytes()}


def test_a_growing_log_costs_only_its_new_bytes(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(log_lines(1, 20 * MIB))
    workspace.update()
    for number in range(4):
        with log.open("ab") as file:
            file.write(log_lines(number, 700_000))
        report = workspace.update()
        assert report.bytes_compressed < 3 * MIB
        assert report.bytes_read < 4 * MIB
        assert workspace.members() == {"a.log": log.read_bytes()}


def test_a_renamed_log_is_not_compressed_again(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(log_lines(1, 10 * MIB))
    workspace.update()
    log.rename(workspace.logs / "b.log")
    log.write_bytes(log_lines(2, 100))
    report = workspace.update()
    assert report.bytes_compressed < 2 * MIB
    assert workspace.anomalies == [(FileAnomaly.REPLACED, "a.log")]
    assert workspace.members() == {"a.log": log_lines(2, 100), "b.log": log_lines(1, 10 * MIB)}


@pytest.mark.parametrize("size", [500, 300_000, 3_000_000])
@pytest.mark.parametrize("regrown", [0, 1, 2])
def test_a_truncated_log_is_archived_from_its_beginning(
    size: int, regrown: int, workspace: Workspace
) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(log_lines(1, size))
    workspace.update()
    os.truncate(log, 0)
    with log.open("ab") as file:
        length = regrown * len(log_lines(1, size)) or 1
        file.write(log_lines(2, size * 2)[:length] + b"\n")
    workspace.update()
    assert workspace.anomalies == [(FileAnomaly.TRUNCATED, "a.log")]
    assert workspace.members() == {"a.log": log.read_bytes()}


def test_a_removed_log_is_removed_from_the_archive(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 3_000_000))
    (workspace.logs / "b.log").write_bytes(log_lines(2, 300))
    workspace.update()
    (workspace.logs / "a.log").unlink()
    assert workspace.update().published
    assert workspace.members() == {"b.log": log_lines(2, 300)}


def test_mode_owner_and_time_are_archived(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(b"x\n")
    log.chmod(0o640)
    os.utime(log, (1, 1_700_000_000))
    workspace.update()
    with tarfile.open(workspace.target) as tar:
        member = tar.getmembers()[0]
    status = log.stat()
    assert (member.mode, member.mtime) == (0o640, 1_700_000_000)
    assert (member.uid, member.gid) == (status.st_uid, status.st_gid)
    assert member.name == str(log).lstrip("/")
    log.chmod(0o600)
    workspace.update()
    with tarfile.open(workspace.target) as tar:
        assert tar.getmembers()[0].mode == 0o600


def modes(workspace: Workspace) -> list[int]:
    paths = (workspace.target, index_path(workspace.target))
    return [stat.S_IMODE(path.stat().st_mode) for path in paths]


def test_an_archive_is_readable_by_its_owner_only_unless_the_mode_is_set(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(b"x\n")
    workspace.update()
    assert modes(workspace) == [0o600, 0o600]
    workspace.updater = ArchiveUpdater(mode=0o640)
    (workspace.logs / "a.log").write_bytes(b"xy\n")
    workspace.update()
    assert modes(workspace) == [0o640, 0o640]


NAMES = ["-x.log", "n" * 200, "a\nb", "\udcff\udcfe", "ä", " ", "--", "p" * 89, "p" * 90, "p" * 91, "p" * 92]


def test_any_name_is_archived_and_read_by_gnu_tar(workspace: Workspace, tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        (workspace.logs / name).write_bytes(log_lines(number, 100))
    workspace.update()
    assert workspace.members() == {name: log_lines(number, 100) for number, name in enumerate(NAMES)}
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xzf", workspace.target, "-C", out], check=True)
    extracted = out / str(workspace.logs).lstrip("/")
    assert {path.name: path.read_bytes() for path in extracted.iterdir()} == workspace.members()
    (workspace.logs / NAMES[0]).write_bytes(b"more\n")
    workspace.restart()
    assert workspace.update().changed == 1


def test_a_new_day_reuses_the_archive_of_the_last_day(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(log_lines(1, 10 * MIB))
    workspace.update()
    for is_new_process in (False, True):
        workspace.seed = workspace.target
        workspace.target = workspace.target.with_name(f"{is_new_process}.tar.gz")
        if is_new_process:
            workspace.updater = ArchiveUpdater()
        report = workspace.update()
        assert report.published
        assert report.bytes_compressed < MIB
        assert workspace.members() == {"a.log": log.read_bytes()}


def test_a_stop_takes_effect_at_the_next_piece_and_leaves_the_last_archive(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(log_lines(1, 100))
    workspace.update()
    before = workspace.target.read_bytes()
    log.write_bytes(log_lines(2, 3_000_000))
    for after in range(6):
        remaining = iter(range(after))
        workspace.is_stopping = lambda remaining=remaining: next(remaining, None) is None  # type: ignore[misc]
        with pytest.raises(StoppedError):
            workspace.update()
        assert workspace.target.read_bytes() == before
        assert workspace.leftovers() == []
    workspace.is_stopping = lambda: False
    workspace.update()
    assert workspace.members() == {"a.log": log_lines(2, 3_000_000)}


def test_a_log_with_two_names_is_neither_replaced_nor_truncated(workspace: Workspace) -> None:
    log, other = workspace.logs / "a.log", workspace.logs / "b.log"
    log.write_bytes(log_lines(1, 3_000_000))
    other.hardlink_to(log)
    workspace.update()
    with log.open("ab") as file:
        file.write(log_lines(2, 1000))
    assert workspace.update().bytes_compressed < 4 * MIB
    assert workspace.anomalies == []
    assert workspace.members() == {"a.log": log.read_bytes(), "b.log": log.read_bytes()}
