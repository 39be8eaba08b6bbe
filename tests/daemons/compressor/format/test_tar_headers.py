"""Headers and ends of tar streams as GNU tar writes and reads them."""

from __future__ import annotations

import tarfile

import pytest

from nodelog.archive.index import FileMetadata
from nodelogd.compressor.format import tar_headers


def metadata(name: str, length: int = 0, mtime_ns: int = 0) -> FileMetadata:
    return FileMetadata(
        name=name, header=0, length=length, mode=0o640, uid=3_000_000, gid=4,
        mtime_ns=mtime_ns, ctime_ns=2, device=3, inode=4, seen=0, head=5, finished=0, tail=6,
    )  # fmt: skip


@pytest.mark.parametrize("length", [1, 99, 100, 101, 511, 512, 513, 1023, 1024, 4000])
@pytest.mark.parametrize("letter", ["a", "ä", "\udcff", "\n"])
def test_header_size_predicts_the_length_of_a_header(length: int, letter: str) -> None:
    name = letter * length
    data = tar_headers.tar_header(metadata(name))
    assert len(data) == tar_headers.header_size(name.encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("name", ["var/log/a.log", "n" * 300, "\udcff\udcfe", "ä" * 60, "-x"])
@pytest.mark.parametrize("length", [0, 1, 8 * 1024**3, 9 * 1024**3, 2**40])
def test_a_header_contains_the_metadata_of_the_file(name: str, length: int) -> None:
    data = tar_headers.tar_header(metadata(name, length, 1_700_000_000_999_999_999))
    info = tarfile.TarInfo.frombuf(data[-512:], "utf-8", "surrogateescape")
    assert (info.size, info.mode, info.uid, info.gid, info.uname, info.gname, info.mtime) == (
        length, 0o640, 3_000_000, 4, "", "adm", 1_700_000_000,
    )  # fmt: skip


@pytest.mark.parametrize("size", [0, 512, 8704, 9216, 9728, 10240, 10_000_384])
def test_a_stream_ends_with_two_empty_blocks_on_a_record_boundary(size: int) -> None:
    data = tar_headers.tar_end(size)
    assert not any(data)
    assert 1024 <= len(data) < 1024 + 10240
    assert (size + len(data)) % 10240 == 0


def test_an_unknown_user_or_group_has_an_empty_name() -> None:
    assert tar_headers.user_name(0) == "root"
    assert tar_headers.group_name(0) == "root"
    assert tar_headers.user_name(3_999_999_999) == ""
    assert tar_headers.group_name(3_999_999_999) == ""
