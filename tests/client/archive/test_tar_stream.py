import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.archive.archive_builder import PIECE, flip_byte, write_archive

from nodelog.archive.index import read_matching_index
from nodelog.archive.tar_stream import DamageError, GzipStream, PieceStream

FILES = {"a": b"first\n" * 2000, "b": b"", "c": bytes(range(256)) * 40}


def ignore(_: int) -> None:
    pass


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("streams") / "x.tar.gz"
    write_archive(path, FILES)
    return path


@given(position=st.integers(0, 40_000), size=st.integers(1, 3 * PIECE))
def test_both_streams_return_the_same_bytes_from_any_position(
    archive: Path, position: int, size: int
) -> None:
    with archive.open("rb") as one, archive.open("rb") as other:
        index = read_matching_index(archive)
        by_index = io.BufferedReader(PieceStream(one, index.pieces, ignore))
        by_gzip = io.BufferedReader(GzipStream(other, ignore))
        assert by_index.seek(position) == position
        by_gzip.seek(position)
        assert by_index.read(size) == by_gzip.read(size)


def test_reading_a_part_inflates_only_its_pieces(archive: Path) -> None:
    index = read_matching_index(archive)
    progress: list[int] = []
    with archive.open("rb") as file:
        stream = PieceStream(file, index.pieces, progress.append)
        stream.seek(index.members[2].content)
        assert stream.read(300) == FILES["c"][:300]
    assert len(progress) == 1


def test_damage_is_an_error_and_never_wrong_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    locations = write_archive(path, FILES)
    flip_byte(path, locations[2].offset + locations[2].length // 2)
    index = read_matching_index(path)
    with path.open("rb") as file:
        stream = PieceStream(file, index.pieces, ignore)
        stream.seek(index.pieces[2].start)
        end = index.pieces[2].start + PIECE - 1
        with pytest.raises(DamageError, match=f"bytes {index.pieces[2].start} to {end} of the tar stream"):
            stream.read(1)
        stream.seek(index.members[2].content)
        assert stream.read(300) == FILES["c"][:300]


def test_gzip_alone_returns_nothing_after_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write_archive(path, FILES)
    path.write_bytes(path.read_bytes()[:100])
    with path.open("rb") as file:
        stream = GzipStream(file, ignore)
        for _ in range(2):
            with pytest.raises(DamageError, match="ends in the middle"):
                stream.readall()
