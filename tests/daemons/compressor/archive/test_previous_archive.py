"""What an update takes over from the previous archive, and when its index or content is not trusted."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.workspace import Workspace, log_lines

from nodelog.archive.index import encode_index, index_path, open_blocks, read_matching_index
from nodelog.archive.index_blocks import decode_block, encode_block

if TYPE_CHECKING:
    from nodelogd.compressor.scan.listing import LogFile


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
    report = workspace.update()
    assert (report.published, report.bytes_copied) == (True, 0)
    assert report.bytes_read > 3_000_000
    assert workspace.members() == {"a.log": log_lines(1, 3_000_000)}
    read_matching_index(workspace.target)


def test_an_index_whose_blocks_do_not_add_up_is_not_trusted(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 3_000_000))
    workspace.update()
    with index_path(workspace.target).open("rb") as file:
        trailer, blocks = open_blocks(file)
        (unit, end) = blocks
    block = decode_block(unit)
    (member,) = block.members()
    del block.pieces[2]  # of a mebibyte
    member = member._replace(length=member.length - 1024**2)
    index_path(workspace.target).write_bytes(
        b"".join(encode_index(trailer, [encode_block([member], block.pieces), end]))
    )
    workspace.restart()
    assert workspace.update().bytes_copied == 0
    assert workspace.members() == {"a.log": log_lines(1, 3_000_000)}


def test_without_an_index_and_a_readable_log_the_archive_is_unchanged(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 300))
    workspace.update()
    before = workspace.target.read_bytes()
    index_path(workspace.target).write_bytes(b"bad")
    workspace.restart()

    def open_file(file: LogFile) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", file.path)

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
