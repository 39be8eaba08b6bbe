import subprocess
import tarfile
from pathlib import Path

import pytest

from nodelog.commands.archive_listing import to_json, to_text

KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.FIFOTYPE: "named pipe",
}


def member(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("name")
    info.type, info.mode, info.mtime = kind, 0o751, 1_795_000_000
    info.uname, info.gname = "somebody", "a long name of a group"
    if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        info.linkname = "target"
    return info


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_of_any_kind_is_shown_as_tar_lists_it(tmp_path: Path, kind: bytes) -> None:
    path, info = tmp_path / "x.tar", member(kind)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(info)
    listed = subprocess.run(["tar", "-tvf", path], capture_output=True, text=True, check=True).stdout
    # tar marks directories with a slash; their names in an archive may have one or not.
    assert to_text(info) == listed.rstrip("/\n")


@pytest.mark.parametrize(("kind", "name"), KINDS.items())
def test_the_json_names_the_kind(kind: bytes, name: str) -> None:
    assert to_json(member(kind))["type"] == name


def test_a_time_out_of_range_is_shown_as_a_number() -> None:
    info = member(tarfile.REGTYPE)
    info.mtime = 1 << 80
    assert f" {1 << 80} name" in to_text(info)
