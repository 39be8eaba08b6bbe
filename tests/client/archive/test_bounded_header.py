"""Headers that ask for more than an archive may have, in small gzip files."""

import gzip
import tarfile
from pathlib import Path

import pytest

from nodelog.archive.archive_reader import DamagedPart, open_archive
from nodelog.archive.bounded_header import MAX_HEADER
from nodelog.archive.integrity import check_integrity


def write_header(path: Path, type_: bytes, size: int, content: bytes = b"") -> None:
    """Write an archive that begins with such a header."""
    info = tarfile.TarInfo("x")
    info.type = type_
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = (size % 2**96).to_bytes(12, "big") if size < 0 else b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    padding = bytes(-len(content) % 512)
    with gzip.open(path, "wb") as file:
        file.write(bytes(block) + content + padding + tarfile.TarInfo("end").tobuf() + bytes(1024))


def damage(path: Path) -> str:
    with open_archive(path) as archive:
        (part,) = archive.members()
        assert isinstance(part, DamagedPart)
        assert check_integrity(archive).damaged
    return part.why


@pytest.mark.parametrize("type_", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_an_extended_header_that_is_too_large_is_damage_before_it_is_read(
    tmp_path: Path, type_: bytes
) -> None:
    write_header(tmp_path / "a.tar.gz", type_, MAX_HEADER + 1)
    expected = f"an extended header of {MAX_HEADER + 1} bytes, at most {MAX_HEADER} allowed"
    assert expected in damage(tmp_path / "a.tar.gz")


def test_a_negative_size_is_damage(tmp_path: Path) -> None:
    write_header(tmp_path / "a.tar.gz", tarfile.REGTYPE, -512)
    assert "a header with a size of -512 bytes" in damage(tmp_path / "a.tar.gz")


def test_a_number_without_end_is_damage(tmp_path: Path) -> None:
    content = b"9" * 100_000
    write_header(tmp_path / "a.tar.gz", tarfile.XHDTYPE, len(content), content + b" a=b\n")
    with open_archive(tmp_path / "a.tar.gz") as archive:
        assert check_integrity(archive).damaged
