import gzip
import io
import tarfile
from pathlib import Path

import pytest
from tests.client.archive.archive_builder import flip_byte, write_archive, write_plain_archive

from nodelog.archive.archive_reader import ArchiveError, ArchiveMember, DamagedPart, open_archive
from nodelog.archive.index import index_path

FILES = {"var/log/a.log": b"one\n" * 5000, "var/log/b.log": b"", "var/log/c.log": b"three\n"}
ODD = {"x" * 200: b"long", "not utf-8 \udcff": b"odd", "two\nlines": b"", "-rf": b"dash"}


def contents(path: Path) -> dict[str, bytes]:
    with open_archive(path) as archive:
        return {member.name: content_of(member) for member in archive.members()}


def content_of(member: ArchiveMember | DamagedPart | None) -> bytes:
    assert isinstance(member, ArchiveMember)
    content = member.open_content()
    assert content is not None
    return content.read()


def test_members_and_names_are_the_same_with_and_without_an_index(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write_archive(path, FILES | ODD)
    assert contents(path) == FILES | ODD
    index_path(path).unlink()
    assert contents(path) == FILES | ODD


def test_an_index_of_another_archive_is_not_used(tmp_path: Path) -> None:
    path, other = tmp_path / "x.tar.gz", tmp_path / "y.tar.gz"
    write_archive(path, FILES)
    write_archive(other, {"b": b"2"})
    index_path(other).replace(index_path(path))
    with open_archive(path) as archive:
        assert archive.index is None
        assert "it belongs to an archive of" in archive.index_problem
    assert contents(path) == FILES


def test_a_damaged_index_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write_archive(path, FILES)
    flip_byte(index_path(path), 100)
    with open_archive(path) as archive:
        assert archive.index is None
        assert archive.index_problem
    assert contents(path) == FILES


def test_with_an_index_damage_hides_no_other_member(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    locations = write_archive(path, FILES)
    flip_byte(path, locations[0].offset + 5)
    with open_archive(path) as archive:
        first, *others = archive.members()
    assert isinstance(first, DamagedPart)
    assert first.name == "var/log/a.log"
    assert [member.name for member in others] == ["var/log/b.log", "var/log/c.log"]


def test_an_index_that_lists_other_members_is_reported_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write_archive(path, {"a": b"1"})
    whole = path.read_bytes()
    write_archive(path, {"b": b"1"})  # of the same length, with the first one's trailer
    path.write_bytes(path.read_bytes()[:-8] + whole[-8:])
    write_archive(other := tmp_path / "y.tar.gz", {"a": b"1"})
    index_path(other).replace(index_path(path))
    with open_archive(path) as archive:
        (member,) = archive.members()
        assert isinstance(member, DamagedPart)


def test_the_last_of_two_members_with_the_same_name_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for size in (0, 512):
            info = tarfile.TarInfo("twice")
            info.size = size
            tar.addfile(info, io.BytesIO(bytes(size)))
    with open_archive(path) as archive:
        assert len(content_of(archive.find_last({"twice"}))) == 512
        assert archive.find_last({"never"}) is None


def test_without_an_index_a_truncated_archive_yields_the_members_before_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write_plain_archive(path, FILES)
    path.write_bytes(path.read_bytes()[:-30])
    with open_archive(path) as archive:
        *members, last = archive.members()
    assert [member.name for member in members] == list(FILES)[: len(members)]
    assert isinstance(last, DamagedPart)
    assert "what follows" in last.name


def test_an_invalid_header_is_damage_and_not_the_end(tmp_path: Path) -> None:
    path, header = tmp_path / "x.tar.gz", tarfile.TarInfo("a").tobuf()
    path.write_bytes(gzip.compress(header + b"x" * 512 + bytes(1024)))
    with open_archive(path) as archive:
        *_, last = archive.members()
    assert last == DamagedPart("a, or what follows it", "there is no header at byte 512 of the tar stream")


def test_a_missing_end_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(tarfile.TarInfo("a").tobuf()))
    with open_archive(path) as archive:
        *_, last = archive.members()
    assert last == DamagedPart("a, or what follows it", "the zeros at its end are missing")


def test_an_empty_archive_has_no_members(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write_plain_archive(path, {})
    assert contents(path) == {}


@pytest.mark.parametrize("data", [b"", b"\x1f", b"ustar" * 200])
def test_a_file_that_is_not_gzip_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="it is not a gzip file"), open_archive(path):
        pass
