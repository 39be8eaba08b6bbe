"""What an update takes over from the previous archive, and when its index or content is not trusted."""

from __future__ import annotations

import errno
import io
import struct
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemons.compressor.format.test_tar_headers import metadata
from tests.daemons.compressor.workspace import Workspace, log_lines

from nodelog.archive.index import (
    InvalidIndexError,
    encode_index,
    index_path,
    open_blocks,
    parse_index,
    read_matching_index,
)
from nodelog.archive.index_blocks import decode_block, encode_block
from nodelogd.compressor.archive.previous_archive import PreviousArchive
from nodelogd.compressor.format.pieces import Span
from nodelogd.compressor.format.tar_headers import tar_header
from nodelogd.compressor.format.units import Unit, make_unit, read_unit

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


def test_an_index_that_cannot_be_written_is_reported_and_written_later(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 300))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PreviousArchive, "publish_index", full)
        for published in (True, False):
            report = workspace.update()
            assert report.published == published
            assert report.index_error is not None
    assert workspace.members() == workspace.contents()
    assert workspace.update().index_error is None
    read_matching_index(workspace.target)


def test_pieces_are_compared_with_their_checksums_before_a_new_process_copies_them(
    workspace: Workspace,
) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(log_lines(1, 3_000_000))
    workspace.update()
    with workspace.target.open("r+b") as file:
        file.seek(workspace.target.stat().st_size // 2)
        file.write(b"rotten")
    workspace.restart()
    with log.open("ab") as file:
        file.write(b"more\n")
    assert workspace.update().bytes_copied == 0
    assert workspace.members() == workspace.contents()


def test_an_archive_with_a_second_name_is_not_copied_from(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(log_lines(1, 3_000_000))
    workspace.update()
    workspace.target.with_name("second").hardlink_to(workspace.target)
    assert workspace.update().bytes_copied == 0
    assert workspace.update().published is False


@settings(max_examples=60)
@given(st.data())
def test_any_change_of_an_index_is_either_noticed_or_harmless(data: st.DataObject) -> None:
    """Whatever an index says, the parser says in one line why it is none, or its blocks add up."""
    unit = make_unit([metadata("var/log/a.log", 10)], [Span(20, 1536, 1)], is_large=False)
    plain = bytearray(zlib.decompress(unit.block[8:]))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(plain) - 1))
        plain[at : at + data.draw(st.integers(1, 9))] = data.draw(st.binary(max_size=9))
    packed = zlib.compress(plain)
    block = struct.pack("<II", len(packed), zlib.crc32(packed)) + packed
    with suppress(InvalidIndexError):
        found = read_unit(block)
        if isinstance(found, Unit):
            for member in found.contents().members:
                tar_header(member)


def test_ten_thousand_brackets_are_no_index() -> None:
    with pytest.raises(InvalidIndexError):
        parse_index(io.BytesIO(b"[" * 10_000_000))
