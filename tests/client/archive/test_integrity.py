import gzip
from pathlib import Path

import pytest
from tests.client.archive.archive_builder import PIECE, damage, foreign, made

from nodelog.archive.archive_reader import DamagedPart, open_archive
from nodelog.archive.index import index_path, read_matching_index
from nodelog.archive.integrity import IntegrityReport, check_integrity

FILES = {"a": bytes(range(256)) * 64, "b": b"", "c": b"three\n" * 700}
SIZE = sum(map(len, FILES.values()))


def verdict(path: Path) -> IntegrityReport:
    with open_archive(path) as archive:
        return check_integrity(archive)


def test_a_whole_archive_is_whole_with_and_without_an_index(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    made(path, FILES)
    assert verdict(path) == IntegrityReport(3, SIZE, ())
    index_path(path).unlink()
    assert verdict(path) == IntegrityReport(3, SIZE, ())


def test_an_archive_of_others_is_whole_too(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    foreign(path, FILES)
    assert verdict(path) == IntegrityReport(3, SIZE, ())


def test_with_an_index_just_the_damaged_bytes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    places = made(path, FILES)
    damage(path, places[2].offset + 3)  # the second piece of a
    expected = DamagedPart("a", f"bytes {PIECE} to {2 * PIECE - 1} are damaged")
    assert verdict(path) == IntegrityReport(2, len(FILES["c"]), (expected,))


def test_damaged_neighbours_are_one_place(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    places = made(path, FILES)
    for number in (1, 2, 4):
        damage(path, places[number].offset + 3)
    (damaged,) = verdict(path).damaged
    assert damaged.why == "bytes 0 to 8191 are damaged, bytes 12288 to 16383 are damaged"


def test_a_damaged_end_is_damage_of_no_member(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    places = made(path, FILES)
    damage(path, places[-1].offset + 1)
    found = verdict(path)
    assert found.damaged == (DamagedPart("the archive", "what follows its last member is damaged"),)
    assert found.members == 3


def test_with_an_index_a_damaged_header_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    places = made(path, FILES)
    number = [piece.start for piece in read_matching_index(path).pieces].index(
        read_matching_index(path).members[1].start
    )
    damage(path, places[number].offset + 3)
    assert verdict(path).damaged == (DamagedPart("b", "its header is damaged"),)


@pytest.mark.parametrize(
    ("offset", "what"), [(3, "its gzip header"), (-10, "the end of its compressed data")]
)
def test_with_an_index_damage_between_the_pieces_is_found(tmp_path: Path, offset: int, what: str) -> None:
    path = tmp_path / "x.tar.gz"
    made(path, FILES)
    damage(path, offset % path.stat().st_size)
    assert verdict(path).damaged == (DamagedPart("the archive", f"{what} is damaged"),)


@pytest.mark.parametrize("indexed", [True, False])
def test_no_damage_goes_unseen_unless_it_does_no_harm(tmp_path: Path, indexed: bool) -> None:
    path = tmp_path / "x.tar.gz"
    made(path, {"a": b"short\n"})
    if not indexed:
        index_path(path).unlink()
    whole, seen = path.read_bytes(), 0
    for offset in range(2, len(whole)):
        path.write_bytes(whole)
        damage(path, offset)
        if verdict(path).damaged:
            seen += 1
        else:
            assert gzip.decompress(path.read_bytes()) == gzip.decompress(whole)
    assert seen > 0.9 * len(whole)


def test_a_false_trailer_is_found_without_an_index(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    made(path, FILES)
    damage(path, path.stat().st_size - 8)
    found = verdict(path)
    assert found.members == 0
    assert found.damaged[0].name == "the archive"
    assert found.damaged[0].why.startswith("its content may be damaged anywhere: CRC check failed")


def test_without_an_index_damage_is_in_the_member_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    noise = b"".join(b"%x " % (number * number) for number in range(100_000))
    foreign(path, {"a": b"1", "b": noise, "c": b"3"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    found = verdict(path)
    assert found.damaged == (DamagedPart("b and what follows it", "the archive ends in the middle"),)
