import gzip
from pathlib import Path

import pytest
from tests.client.archive.archive_builder import PIECE, flip_byte, write_archive, write_plain_archive

from nodelog.archive.archive_reader import DamagedPart, open_archive
from nodelog.archive.index import index_path, read_matching_index
from nodelog.archive.integrity import IntegrityReport, check_integrity

FILES = {"a": bytes(range(256)) * 64, "b": b"", "c": b"three\n" * 700}
SIZE = sum(map(len, FILES.values()))


def check(path: Path) -> IntegrityReport:
    with open_archive(path) as archive:
        return check_integrity(archive)


def test_an_intact_archive_has_no_damage_with_and_without_an_index(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write_archive(path, FILES)
    assert check(path) == IntegrityReport(3, SIZE, ())
    index_path(path).unlink()
    assert check(path) == IntegrityReport(3, SIZE, ())


def test_an_archive_of_another_program_has_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write_plain_archive(path, FILES)
    assert check(path) == IntegrityReport(3, SIZE, ())


def test_with_an_index_only_the_damaged_bytes_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    locations = write_archive(path, FILES)
    flip_byte(path, locations[2].offset + 3)  # the second piece of a
    expected = DamagedPart("a", f"bytes {PIECE} to {2 * PIECE - 1} are damaged")
    assert check(path) == IntegrityReport(2, len(FILES["c"]), (expected,))


def test_adjacent_damaged_pieces_are_one_range(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    locations = write_archive(path, FILES)
    for number in (1, 2, 4):
        flip_byte(path, locations[number].offset + 3)
    (damaged,) = check(path).damaged
    assert damaged.why == "bytes 0 to 8191 are damaged, bytes 12288 to 16383 are damaged"


def test_damage_after_the_last_member_affects_no_member(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    locations = write_archive(path, FILES)
    flip_byte(path, locations[-1].offset + 1)
    report = check(path)
    assert report.damaged == (DamagedPart("the archive", "what follows its last member is damaged"),)
    assert report.members == 3


def test_with_an_index_a_damaged_header_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    locations = write_archive(path, FILES)
    number = [piece.start for piece in read_matching_index(path).pieces].index(
        read_matching_index(path).members[1].start
    )
    flip_byte(path, locations[number].offset + 3)
    assert check(path).damaged == (DamagedPart("b", "its header is damaged"),)


@pytest.mark.parametrize(
    ("offset", "what"), [(3, "its gzip header"), (-10, "the end of its compressed data")]
)
def test_with_an_index_damage_between_the_pieces_is_found(tmp_path: Path, offset: int, what: str) -> None:
    path = tmp_path / "x.tar.gz"
    write_archive(path, FILES)
    flip_byte(path, offset % path.stat().st_size)
    assert check(path).damaged == (DamagedPart("the archive", f"{what} is damaged"),)


@pytest.mark.parametrize("indexed", [True, False])
def test_no_damage_goes_undetected_unless_it_is_harmless(tmp_path: Path, indexed: bool) -> None:
    path = tmp_path / "x.tar.gz"
    write_archive(path, {"a": b"short\n"})
    if not indexed:
        index_path(path).unlink()
    whole, seen = path.read_bytes(), 0
    for offset in range(2, len(whole)):
        path.write_bytes(whole)
        flip_byte(path, offset)
        if check(path).damaged:
            seen += 1
        else:
            assert gzip.decompress(path.read_bytes()) == gzip.decompress(whole)
    assert seen > 0.9 * len(whole)


def test_a_wrong_trailer_is_detected_without_an_index(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write_archive(path, FILES)
    flip_byte(path, path.stat().st_size - 8)
    report = check(path)
    assert report.members == 0
    assert report.damaged[0].name == "the archive"
    assert report.damaged[0].why.startswith("its content may be damaged anywhere: CRC check failed")


def test_without_an_index_damage_is_attributed_to_the_member_being_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    noise = b"".join(b"%x " % (number * number) for number in range(100_000))
    write_plain_archive(path, {"a": b"1", "b": noise, "c": b"3"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    report = check(path)
    assert report.damaged == (DamagedPart("b and what follows it", "the archive ends in the middle"),)
