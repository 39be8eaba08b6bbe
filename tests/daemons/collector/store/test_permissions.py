from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from nodelogd.collector.store.permissions import ACCESS_LIST, Permissions

if TYPE_CHECKING:
    from pathlib import Path

# Version 2; owner rw-, user 1234 r--, group r--, mask r--, others ---
ACL = bytes.fromhex(
    "0200000001000600ffffffff02000400d204000004000400ffffffff10000400ffffffff20000000ffffffff"
)


def copied(source: Path, target: Path) -> os.stat_result:
    """Give the target the permissions of the source; return its status."""
    with source.open("rb") as old, target.open("ab") as new:
        Permissions.of(old.fileno()).apply(new.fileno())
    return target.stat()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("source", "target"):
        (tmp_path / name).touch()
    return tmp_path / "source", tmp_path / "target"


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_a_file_gets_the_mode_of_another(files: tuple[Path, Path], mode: int) -> None:
    files[0].chmod(mode)
    assert stat.S_IMODE(copied(*files).st_mode) == mode


def test_a_file_gets_owner_and_group_of_another(files: tuple[Path, Path]) -> None:
    if os.geteuid():
        pytest.skip("giving a file away needs root")
    os.chown(files[0], 1234, 5678)
    status = copied(*files)
    assert (status.st_uid, status.st_gid) == (1234, 5678)


def test_another_group_gains_no_right(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    files[0].chmod(0o664)
    monkeypatch.setattr(os, "fchown", refuse)
    with files[0].open("rb") as old, files[1].open("ab") as new:
        permissions = Permissions.of(old.fileno())
        Permissions(mode=permissions.mode, owner=0, group=permissions.group + 1, access_list=None).apply(
            new.fileno()
        )
    assert stat.S_IMODE(files[1].stat().st_mode) == 0o644


def test_a_file_gets_the_access_list_of_another(files: tuple[Path, Path]) -> None:
    os.setxattr(files[0], ACCESS_LIST, ACL)
    copied(*files)
    assert os.getxattr(files[1], ACCESS_LIST) == ACL
