"""What a cycle takes from the last one, and what it does if index, archive or pieces cannot be trusted."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.workspace import Workspace, log_lines

from nodelog.archive.index import decode_index, encode_index, index_path, read_matching_index

if TYPE_CHECKING:
    from nodelogd.compressor.scan.discovery import LogFile


@pytest.mark.parametrize("content", [None, b"", b"{}", b"x" * 1000])
def test_without_a_valid_index_everything_is_compressed_again(
    content: bytes | None, workspace: Workspace
) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 3_000_000))
    workspace.update()
    index = index_path(workspace.target)
    if content is None:
        index.unlink()
    else:
        index.write_bytes(content)
    workspace.restart()
    outcome = workspace.update()
    assert (outcome.published, outcome.bytes_copied) == (True, 0)
    assert outcome.bytes_read > 3_000_000
    assert workspace.members() == {"a.log": log_lines(1, 3_000_000)}
    read_matching_index(workspace.target)


def test_an_index_whose_lines_do_not_add_up_is_not_trusted(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 3_000_000))
    workspace.update()
    trailer, _ = decode_index(index_path(workspace.target).read_bytes())
    rows = index_path(workspace.target).read_bytes().splitlines(keepends=True)
    del rows[3]  # a piece of a mebibyte
    index_path(workspace.target).write_bytes(encode_index(trailer, rows[1:-1]))
    workspace.restart()
    assert workspace.update().bytes_copied == 0
    assert workspace.members() == {"a.log": log_lines(1, 3_000_000)}


def test_without_an_index_and_a_readable_log_the_archive_is_unchanged(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 300))
    workspace.update()
    before = workspace.target.read_bytes()
    index_path(workspace.target).write_bytes(b"bad")
    workspace.restart()

    def open_file(found: LogFile) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", found.path)

    workspace.open_file = open_file
    with pytest.raises(OSError, match="none of 1 files could be read"):
        workspace.update()
    assert workspace.target.read_bytes() == before


def test_an_index_that_is_lost_while_the_process_runs_is_written_again(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 3_000_000))
    workspace.update()
    index = index_path(workspace.target)
    before = index.read_bytes()
    index.unlink()
    assert not workspace.update().published
    assert index.read_bytes() == before


def test_an_archive_written_by_another_program_is_rebuilt(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 3_000_000))
    workspace.update()
    workspace.target.write_bytes(b"something else")
    assert workspace.update().bytes_copied == 0
    assert workspace.members() == {"a.log": log_lines(1, 3_000_000)}


def test_a_removed_archive_is_rebuilt(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 3_000_000))
    workspace.update()
    workspace.target.unlink()
    assert workspace.update().bytes_copied == 0
    assert workspace.members() == {"a.log": log_lines(1, 3_000_000)}


def test_a_log_that_was_young_at_its_snapshot_is_read_once(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 300_000))
    workspace.update()
    opened: list[str] = []

    def open_file(found: LogFile) -> int:
        opened.append(found.name)
        return workspace.open(found)

    workspace.open_file = open_file
    now = (workspace.logs / "a.log").stat().st_ctime
    while time.time() < now + 0.1:
        workspace.update()
    opened.clear()
    assert not workspace.update().published
    assert opened == []


def test_only_the_changed_log_of_a_group_is_read(workspace: Workspace) -> None:
    for number in range(20):
        (workspace.logs / f"{number:02}.log").write_bytes(log_lines(number, 3000))
    workspace.update()
    while time.time() < (workspace.logs / "19.log").stat().st_ctime + 0.1:
        workspace.update()  # until their times tell
    for more in (b"more\n", b"and more\n"):
        with (workspace.logs / "07.log").open("ab") as log:
            log.write(more)
        outcome = workspace.update()
        assert outcome.published
        assert outcome.bytes_read < 15_000  # three looks at one of the twenty
        assert workspace.members() == {path.name: path.read_bytes() for path in workspace.logs.iterdir()}


def test_the_logs_of_a_group_are_read_if_their_piece_is_damaged(workspace: Workspace) -> None:
    for number in range(20):
        (workspace.logs / f"{number:02}.log").write_bytes(log_lines(number, 3000))
    workspace.update()
    while time.time() < (workspace.logs / "19.log").stat().st_ctime + 0.1:
        workspace.update()
    times = workspace.target.stat()
    with workspace.target.open("r+b") as archive:
        archive.seek(500)
        archive.write(b"rot")
    os.utime(workspace.target, ns=(times.st_atime_ns, times.st_mtime_ns))
    (workspace.logs / "07.log").write_bytes(b"new\n")
    workspace.update()
    assert workspace.members() == {path.name: path.read_bytes() for path in workspace.logs.iterdir()}
