"""A file with several names is archived once, and every tar links the others to it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.workspace import Workspace, log_lines

from nodelog.archive.archive_reader import open_archive
from nodelog.archive.extraction import extract
from nodelog.archive.integrity import check_integrity

if TYPE_CHECKING:
    from pathlib import Path

    from nodelogd.compressor.scan.listing import LogFile

EXTRACTORS = {
    "GNU tar": ["tar", "-xzf"],
    "busybox": ["busybox", "tar", "-xzf"],
    "libarchive": ["bsdtar", "-xf"],
}


@pytest.fixture(params=[3_000, 3_000_000], ids=["small", "large"])
def workspace(tmp_path: Path, request: pytest.FixtureRequest) -> Workspace:
    workspace = Workspace(tmp_path)
    (workspace.logs / "b.log").write_bytes(log_lines(1, request.param))
    for name in ("a.log", "c.log"):
        (workspace.logs / name).hardlink_to(workspace.logs / "b.log")
    (workspace.logs / "d.log").write_bytes(b"another\n")
    workspace.update()
    return workspace


def links(workspace: Workspace) -> dict[str, str]:
    """Return the names that are links, with what they lead to."""
    with open_archive(workspace.target) as archive:
        infos = [member.info for member in archive.members()]  # type: ignore[union-attr]
    return {os.path.basename(info.name): os.path.basename(info.linkname) for info in infos if info.islnk()}


def test_further_names_of_a_file_are_links_to_the_first(workspace: Workspace) -> None:
    assert links(workspace) == {"b.log": "a.log", "c.log": "a.log"}
    assert workspace.members() == workspace.contents()
    with open_archive(workspace.target) as archive:
        assert check_integrity(archive).damaged == ()
        member = archive.find_last({str(workspace.logs / "c.log").lstrip("/")})
        assert member is not None
        content = member.open_content()
        assert content is not None
        assert content.read() == (workspace.logs / "b.log").read_bytes()


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_tar_extracts_them_as_links(workspace: Workspace, extractor: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run([*EXTRACTORS[extractor], workspace.target, "-C", out], check=True)
    folder = out / str(workspace.logs).lstrip("/")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == workspace.contents()
    assert (folder / "a.log").stat().st_nlink == 3


def test_our_own_extraction_links_them_too(workspace: Workspace, tmp_path: Path) -> None:
    with open_archive(workspace.target) as archive:
        list(extract(archive, tmp_path / "out"))
    folder = tmp_path / "out" / str(workspace.logs).lstrip("/")
    assert (folder / "a.log").samefile(folder / "c.log")


def test_an_unchanged_link_changes_nothing_and_growth_is_archived_once(workspace: Workspace) -> None:
    workspace.restart()
    assert not workspace.update().published
    with (workspace.logs / "c.log").open("ab") as log:
        log.write(b"more\n")
    workspace.update()
    assert links(workspace) == {"b.log": "a.log", "c.log": "a.log"}
    assert workspace.members() == workspace.contents()


def test_if_the_first_name_is_removed_another_one_holds_the_content(workspace: Workspace) -> None:
    (workspace.logs / "a.log").unlink()
    workspace.update()
    assert links(workspace) == {"c.log": "b.log"}
    assert workspace.members() == workspace.contents()
    (workspace.logs / "b.log").unlink()
    workspace.update()
    assert links(workspace) == {}
    assert workspace.members() == workspace.contents()


def test_a_link_that_became_a_file_of_its_own_is_archived(workspace: Workspace) -> None:
    (workspace.logs / "c.log").unlink()
    (workspace.logs / "c.log").write_bytes(b"its own\n")
    workspace.update()
    assert links(workspace) == {"b.log": "a.log"}
    assert workspace.members() == workspace.contents()


def test_if_the_first_name_vanishes_meanwhile_no_link_leads_nowhere(workspace: Workspace) -> None:
    with (workspace.logs / "a.log").open("ab") as log:
        log.write(b"more\n")

    def open_file(file: LogFile) -> int:
        if file.path.endswith(b"/a.log"):
            raise FileNotFoundError(2, "No such file or directory", file.path)
        return workspace.open(file)

    workspace.open_file = open_file
    workspace.update()
    members = workspace.members()
    assert "a.log" not in members
    assert members["b.log"] == members["c.log"] == (workspace.logs / "a.log").read_bytes()


def test_sixty_names_cost_no_more_than_their_headers(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (workspace.logs / "00.log").write_bytes(os.urandom(300_000).hex().encode() + b"\n")
    alone = workspace.update().archive_size
    for number in range(1, 61):
        (workspace.logs / f"{number:02}.log").hardlink_to(workspace.logs / "00.log")
    assert workspace.update().archive_size < alone + 10_000
