from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nodelog.spool.blocks import SpoolError
from nodelog.spool.spool_lock import SpoolLock

if TYPE_CHECKING:
    from pathlib import Path

    from nodelog.own_descriptor import OwnDescriptor

FORKING = """
import os, sys
from pathlib import Path
from nodelog.spool.spool_lock import SpoolLock
lock = SpoolLock(Path(sys.argv[1]))
if os.fork():
    os._exit(0)  # and the child lives on
print("here", flush=True)
os.read(0, 1)
"""


def test_one_holder_keeps_it_until_release(tmp_path: Path) -> None:
    lock = SpoolLock(tmp_path / "spool")
    with pytest.raises(
        SpoolError, match=rf"^{tmp_path}/spool is in use by process {os.getpid()} on .*: choose another"
    ):
        SpoolLock(tmp_path / "spool")
    lock.release()
    SpoolLock(tmp_path / "spool").release()


def test_a_forked_child_does_not_hold_what_its_parent_held(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKING, str(tmp_path / "spool")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.wait(30) == 0
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"here\n"
        SpoolLock(tmp_path / "spool").release()  # while the child waits for us


def test_a_lock_file_that_was_removed_in_the_meantime_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spool"
    took = SpoolLock._open_and_lock

    def slow(self: SpoolLock, path: Path) -> OwnDescriptor:
        file = took(self, path)
        monkeypatch.undo()
        self._path.unlink()
        return file

    monkeypatch.setattr(SpoolLock, "_open_and_lock", slow)
    lock = SpoolLock(path)
    with pytest.raises(SpoolError):
        SpoolLock(path)
    lock.release()


def test_a_missing_directory_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        SpoolError, match=r"^cannot open .*/none/spool.lock: No such file or directory; choose another"
    ):
        SpoolLock(tmp_path / "none" / "spool")
