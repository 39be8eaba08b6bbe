"""Archives of GNU tar have the names that GNU tar gives them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.daemons.compressor.workspace import Workspace

from nodelog.archive.archive_reader import ArchiveMember, open_archive
from nodelog.archive.extraction import Extracted, extract

if TYPE_CHECKING:
    from pathlib import Path


def test_an_incremental_archive_has_its_own_names_and_directories(tmp_path: Path) -> None:
    (tmp_path / "in/logs/sub").mkdir(parents=True)
    (tmp_path / "in/logs/a.log").write_bytes(b"one\n")
    (tmp_path / "in/logs/sub/b.log").write_bytes(b"two\n")
    path = tmp_path / "a.tar.gz"
    snapshot = f"--listed-incremental={tmp_path / 'snapshot'}"
    subprocess.run(["tar", snapshot, "-czf", path, "-C", tmp_path / "in", "logs"], check=True)
    with open_archive(path) as archive:
        members = list(archive.members())
        names = [member.name.rstrip("/") for member in members]
        assert names == ["logs", "logs/sub", "logs/a.log", "logs/sub/b.log"]
        for member in members[:2]:
            assert isinstance(member, ArchiveMember)
            assert member.info.isdir()
            assert member.open_content() is None
        results = list(extract(archive, tmp_path / "out"))
    assert all(isinstance(result, Extracted) for result in results)
    assert (tmp_path / "out/logs/sub/b.log").read_bytes() == b"two\n"


def test_the_index_of_an_archive_behind_a_link_is_used(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (workspace.logs / "a.log").write_bytes(b"one\n")
    workspace.update()
    link = workspace.logs / workspace.target.name
    link.symlink_to(workspace.target)
    with open_archive(link) as archive:
        assert archive.index is not None
