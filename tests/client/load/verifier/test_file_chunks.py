import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from nodelog.load.verifier.file_chunks import FileChunk, ReadError, distinct_files, read_chunks

LINES = b"".join(b"line %d\n" % number for number in range(1_000_000))


def ignore(_: int) -> None:
    """Ignore the progress."""


@pytest.mark.parametrize("compress", [bytes, lambda data: gzip.compress(data, 1)])
def test_a_file_is_read_in_chunks_of_whole_lines(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "log"
    file.write_bytes(compress(LINES))
    progress: list[int] = []
    chunks = list(read_chunks(file, progress.append))
    assert b"".join(chunk.data for chunk in chunks) == LINES
    assert len(chunks) > 1
    assert all(chunk.is_whole and chunk.data.endswith(b"\n") for chunk in chunks)
    assert [chunk.offset for chunk in chunks] == [
        sum(len(chunk.data) for chunk in chunks[:count]) for count in range(len(chunks))
    ]
    assert progress == sorted(progress)
    assert progress[-1] == file.stat().st_size


def test_an_end_without_a_line_feed_is_a_chunk_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"one\ntwo")
    assert list(read_chunks(file, ignore)) == [
        FileChunk(b"one\n", 0, is_whole=True),
        FileChunk(b"two", 4, is_whole=False),
    ]


def test_an_empty_file_has_no_chunks(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.touch()
    assert list(read_chunks(file, ignore)) == []


def test_an_endless_line_is_not_kept_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("wb") as sparse:
        sparse.truncate(70_000_000)
        sparse.seek(0, 2)
        sparse.write(b"\nlast\n")
    chunks = list(read_chunks(file, ignore))
    assert max(len(chunk.data) for chunk in chunks) < 25_000_000
    assert sum(len(chunk.data) for chunk in chunks) == file.stat().st_size
    assert chunks[-1].data.endswith(b"\nlast\n")


@pytest.mark.parametrize(
    "content",
    [gzip.compress(LINES)[:50_000], b"\x1f\x8b no gzip", gzip.compress(b"x")[:-8] + b"12345678"],
    ids=["cut", "none", "wrong"],  # an id made from the content would change with the time
)
def test_a_damaged_file_is_one_line_with_its_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "log.gz"
    file.write_bytes(content)
    with pytest.raises(ReadError, match=r"^cannot read .*log\.gz: .+$"):
        list(read_chunks(file, ignore))


def test_a_missing_file_is_one_line_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"^cannot read .*/log: No such file or directory$"):
        list(read_chunks(tmp_path / "log", ignore))


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    file, link, other = tmp_path / "log", tmp_path / "link", tmp_path / "other"
    file.touch()
    link.symlink_to(file)
    assert distinct_files([link, other, file, other]) == ([link, other], [file, other])


def test_a_compressed_copy_beside_the_file_is_left_out(tmp_path: Path) -> None:
    file, compressed, alone = tmp_path / "a.log", tmp_path / "a.log.gz", tmp_path / "b.log.gz"
    assert distinct_files([compressed, file, alone]) == ([file, alone], [compressed])
