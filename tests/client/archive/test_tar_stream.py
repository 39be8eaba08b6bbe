import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.archive.archive_builder import PIECE, damage, made

from nodelog.archive.index import read_matching_index
from nodelog.archive.tar_stream import DamageError, GzipStream, PieceStream

FILES = {"a": b"first\n" * 2000, "b": b"", "c": bytes(range(256)) * 40}


def nothing(_: int) -> None:
    pass


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("streams") / "x.tar.gz"
    made(path, FILES)
    return path


@given(position=st.integers(0, 40_000), size=st.integers(1, 3 * PIECE))
def test_from_anywhere_both_streams_give_the_same_bytes(archive: Path, position: int, size: int) -> None:
    with archive.open("rb") as one, archive.open("rb") as other:
        known = read_matching_index(archive)
        by_index = io.BufferedReader(PieceStream(one, known.pieces, nothing))
        by_gzip = io.BufferedReader(GzipStream(other, nothing))
        assert by_index.seek(position) == position
        by_gzip.seek(position)
        assert by_index.read(size) == by_gzip.read(size)


def test_reading_a_part_inflates_its_pieces_alone(archive: Path) -> None:
    known = read_matching_index(archive)
    told: list[int] = []
    with archive.open("rb") as file:
        stream = PieceStream(file, known.pieces, told.append)
        stream.seek(known.members[2].content)
        assert stream.read(300) == FILES["c"][:300]
    assert len(told) == 1


def test_damage_is_an_error_and_never_other_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    places = made(path, FILES)
    damage(path, places[2].offset + places[2].length // 2)
    known = read_matching_index(path)
    with path.open("rb") as file:
        stream = PieceStream(file, known.pieces, nothing)
        stream.seek(known.pieces[2].start)
        end = known.pieces[2].start + PIECE - 1
        with pytest.raises(DamageError, match=f"bytes {known.pieces[2].start} to {end} of the tar stream"):
            stream.read(1)
        stream.seek(known.members[2].content)
        assert stream.read(300) == FILES["c"][:300]


def test_behind_damage_gzip_alone_gives_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    made(path, FILES)
    path.write_bytes(path.read_bytes()[:100])
    with path.open("rb") as file:
        stream = GzipStream(file, nothing)
        for _ in range(2):
            with pytest.raises(DamageError, match="ends in the middle"):
                stream.readall()
