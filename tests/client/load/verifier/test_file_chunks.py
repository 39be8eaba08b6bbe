import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from nodelog.load.verifier.file_chunks import Piece, ReadError, distinct, pieces

LINES = b"".join(b"line %d\n" % number for number in range(1_000_000))


def ignore(_: int) -> None:
    """Nobody looks."""


@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data, 1)])
def test_a_file_is_read_in_pieces_of_whole_lines(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "log"
    file.write_bytes(pack(LINES))
    told: list[int] = []
    found = list(pieces(file, told.append))
    assert b"".join(piece.data for piece in found) == LINES
    assert len(found) > 1
    assert all(piece.is_whole and piece.data.endswith(b"\n") for piece in found)
    assert [piece.offset for piece in found] == [
        sum(len(piece.data) for piece in found[:count]) for count in range(len(found))
    ]
    assert told == sorted(told)
    assert told[-1] == file.stat().st_size


def test_the_end_without_a_line_feed_is_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"one\ntwo")
    assert list(pieces(file, ignore)) == [
        Piece(b"one\n", 0, is_whole=True),
        Piece(b"two", 4, is_whole=False),
    ]


def test_an_empty_file_has_no_pieces(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.touch()
    assert list(pieces(file, ignore)) == []


def test_a_line_without_end_is_not_kept_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("wb") as sparse:
        sparse.truncate(70_000_000)
        sparse.seek(0, 2)
        sparse.write(b"\nlast\n")
    found = list(pieces(file, ignore))
    assert max(len(piece.data) for piece in found) < 25_000_000
    assert sum(len(piece.data) for piece in found) == file.stat().st_size
    assert found[-1].data.endswith(b"\nlast\n")


@pytest.mark.parametrize(
    "content",
    [gzip.compress(LINES)[:50_000], b"\x1f\x8b no gzip", gzip.compress(b"x")[:-8] + b"12345678"],
    ids=["cut", "none", "wrong"],  # a name with the content in it would change with the time
)
def test_a_damaged_file_is_one_line_with_its_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "log.gz"
    file.write_bytes(content)
    with pytest.raises(ReadError, match=r"^cannot read .*log\.gz: .+$"):
        list(pieces(file, ignore))


def test_a_missing_file_is_one_line_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"^cannot read .*/log: No such file or directory$"):
        list(pieces(tmp_path / "log", ignore))


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    file, link, other = tmp_path / "log", tmp_path / "link", tmp_path / "other"
    file.touch()
    link.symlink_to(file)
    assert distinct([link, other, file, other]) == ([link, other], [file, other])


def test_a_packed_copy_beside_the_file_is_left_out(tmp_path: Path) -> None:
    file, packed, alone = tmp_path / "a.log", tmp_path / "a.log.gz", tmp_path / "b.log.gz"
    assert distinct([packed, file, alone]) == ([file, alone], [packed])
