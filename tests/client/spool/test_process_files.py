"""A spool whose name has `{pid}`, or that is a folder: one file per process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.client.spool.spool_files import abandon, held

from nodelog.spool.blocks import SpoolError, SpoolInUseError
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.process_files import forked_spool_path, open_spool, spool_path

if TYPE_CHECKING:
    from pathlib import Path

LEAVE = """
import os, signal, sys
from nodelog.spool.process_files import open_spool
spool = open_spool(sys.argv[1])
spool.append([sys.argv[2].encode()])
print(spool.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def template(tmp_path: Path) -> str:
    return str(tmp_path / "app-{pid}.spool")


def killed_process(template: str, line: str) -> str:
    """Let a process leave a line in its file; return the path of that."""
    command = [sys.executable, "-c", LEAVE, template, line]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def names(folder: Path) -> set[str]:
    """Return the names of all spools in a folder."""
    return {path.name for path in folder.iterdir() if not path.name.endswith((".lock", "-wal", "-shm"))}


def test_each_process_and_each_user_within_it_has_a_file(template: str, tmp_path: Path) -> None:
    pid = os.getpid()
    first, second = open_spool(template), open_spool(template)
    first.append([b"a"])
    assert names(tmp_path) == {f"app-{pid}.spool", f"app-{pid}-2.spool"}
    second.close()
    assert names(tmp_path) == {f"app-{pid}.spool"}
    first.close()
    again = open_spool(template)
    assert again.lines == 1
    again.forget(next(iter(again.streams())), 1)
    again.close()
    assert not list(tmp_path.iterdir())


def test_what_killed_processes_left_is_taken_over_once(template: str, tmp_path: Path) -> None:
    left = {killed_process(template, f"line {number}") for number in range(3)}
    assert len(left) == 3
    spools = [open_spool(template), open_spool(template)]
    lines = [data for spool in spools for blocks in held(spool).values() for _, data in blocks]
    assert sorted(lines) == [b"line 0\n", b"line 1\n", b"line 2\n"]
    assert names(tmp_path) == {spool.path.name for spool in spools}
    for spool in spools:
        spool.close()


def test_the_file_of_a_running_process_and_of_a_child_of_one_are_left_alone(template: str) -> None:
    running = open_spool(template)
    running.append([b"a"])
    path = f"{running.path}.child-7"
    child = FileSpool(path, is_child_spool=True)
    child.append([b"b"])
    other = open_spool(template)
    assert not other.lines
    other.close()
    abandon(child)
    other = open_spool(template)
    assert other.lines == 1
    for spool in (running, other):
        spool.close()


def test_files_that_are_no_spools_are_left_alone(template: str, tmp_path: Path) -> None:
    (tmp_path / "app-7.spool").write_text("text")
    (tmp_path / "app-8.spool").touch()
    (tmp_path / "app-9.spool").symlink_to("app-7.spool")
    (tmp_path / "app-10.spool").mkdir()
    (tmp_path / "app-x.spool").write_text("text")
    before = names(tmp_path)
    spool = open_spool(template)
    (notice,) = spool.notices
    assert f"{tmp_path}/app-7.spool is not a spool and is left unchanged" in notice
    spool.close()
    assert names(tmp_path) == before


def test_a_folder_means_files_in_it(tmp_path: Path) -> None:
    for given in (str(tmp_path), f"{tmp_path}/new/"):
        path = spool_path(given)
        assert path == f"{given.rstrip('/')}/nodelog-{{pid}}.spool"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert spool_path(str(tmp_path / "plain")) == str(tmp_path / "plain")


@pytest.mark.parametrize("bad", ["{pid}/spool", "/x/{pid}-{pid}", "/x/{pid}", "/x/{pid}/"])
def test_a_pid_that_is_not_a_part_of_the_files_name_is_refused(bad: str) -> None:
    with pytest.raises(SpoolError, match=r"must be a part of the file's name, as in app-\{pid\}.spool$"):
        spool_path(bad)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=r"^cannot make the spool .*: No such file or directory; choose"):
        spool_path(f"{tmp_path}/no/such/")


def test_a_forked_child_uses_its_own_file(template: str) -> None:
    assert forked_spool_path(template) == template
    assert forked_spool_path("/spool") == f"/spool.child-{os.getpid()}"


def test_a_plain_file_in_use_says_how_several_processes_share_a_spool(tmp_path: Path) -> None:
    held_spool = open_spool(str(tmp_path / "app.spool"))
    with pytest.raises(SpoolInUseError, match=r"several processes write \{pid\} into its name \(app-\{pid\}"):
        open_spool(str(tmp_path / "app.spool"))
    held_spool.close()


def test_a_process_that_uses_very_many_is_stopped(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodelog.spool.process_files._MAX_FILES", 3)
    spools = [open_spool(template), open_spool(template)]
    with pytest.raises(SpoolError, match=f"process {os.getpid()} uses 2 files of it; choose another"):
        open_spool(template)
    for spool in spools:
        spool.close()
    assert not list(tmp_path.iterdir())
