"""What an update takes over from the previous archive, and when its index or content is not trusted."""

from __future__ import annotations

import errno
import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemons.compressor.format.test_tar_headers import metadata
from tests.daemons.compressor.workspace import Workspace, log_lines

from nodelog.archive.index import (
    InvalidIndexError,
    decode_index,
    encode_index,
    encode_member,
    index_path,
    parse_index,
    read_matching_index,
)
from nodelogd.compressor.archive.previous_archive import PreviousArchive
from nodelogd.compressor.format.pieces import archive_end, join_spans, piece_span
from nodelogd.compressor.format.tar_headers import tar_header
from nodelogd.compressor.format.units import parse_units

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
    report = workspace.update()
    assert (report.published, report.bytes_copied) == (True, 0)
    assert report.bytes_read > 3_000_000
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


@settings(max_examples=40)
@given(st.data())
def test_any_change_of_an_index_is_either_noticed_or_harmless(data: st.DataObject) -> None:
    """Whatever an index says, the parser says in one line why it is none, or its lines add up."""
    row = metadata("var/log/a.log", 10)
    spans = [piece_span(20, 1024, 1), piece_span(20, 9216, 2)]
    end, trailer = archive_end(join_spans(spans))
    assert end
    lines = [encode_member(row), *(span.lines for span in spans)]
    rows = [json.loads(line) for line in lines]
    for each in rows:
        for name in each:
            if data.draw(st.booleans()) and data.draw(st.booleans()):
                each[name] = data.draw(st.one_of(st.integers(), st.text(max_size=5), st.none(), st.floats()))
    text = encode_index(trailer, [json.dumps(each).encode() + b"\n" for each in rows])
    with suppress(InvalidIndexError):
        trailer, found = decode_index(text)
        units, _ = parse_units(found)
        for unit in units:
            for member in unit.members:
                tar_header(member)


def test_ten_thousand_brackets_are_no_index() -> None:
    with pytest.raises(InvalidIndexError):
        parse_index(b"[" * 10_000_000)
