import os
import tarfile
from pathlib import Path

import pytest
from tests.client.archive.archive_builder import MODE, MTIME, flip_byte, write_archive, write_plain_archive

from nodelog.archive.archive_reader import ArchiveError, DamagedPart, open_archive
from nodelog.archive.extraction import Extracted, LeftOut, extract

FILES = {"var/log/a.log": bytes(range(256)) * 64, "var/log/b.log": b"two\n"}
ODD = {"x" * 200: b"long", "not utf-8 \udcff": b"odd", "two\nlines": b"", "-rf": b"dash"}


def extract_to(path: Path, directory: Path, *names: str) -> list[Extracted | LeftOut | DamagedPart]:
    with open_archive(path) as archive:
        return list(extract(archive, directory, names or None))


def files_below(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_extracted_files_equal_the_originals(tmp_path: Path) -> None:
    path, directory = tmp_path / "x.tar.gz", tmp_path / "new" / "out"
    write_archive(path, FILES | ODD)
    results = extract_to(path, directory)
    assert results == [Extracted(name, len(content)) for name, content in (FILES | ODD).items()]
    assert files_below(directory) == FILES | ODD
    status = (directory / "-rf").stat()
    assert (status.st_mode & 0o7777, status.st_mtime) == (MODE, MTIME)


def test_only_the_named_members_are_extracted_and_replace_existing_files(tmp_path: Path) -> None:
    path, directory = tmp_path / "x.tar.gz", tmp_path / "out"
    write_archive(path, FILES)
    (directory / "var" / "log").mkdir(parents=True)
    (directory / "var" / "log" / "b.log").write_text("longer than the new one")
    extract_to(path, directory, "var/log/b.log")
    assert files_below(directory) == {"var/log/b.log": b"two\n"}


def test_intact_members_of_a_damaged_archive_are_extracted(tmp_path: Path) -> None:
    path, directory = tmp_path / "x.tar.gz", tmp_path / "out"
    locations = write_archive(path, FILES)
    flip_byte(path, locations[3].offset + 2)
    first, second = extract_to(path, directory)
    assert isinstance(first, DamagedPart)
    assert second == Extracted("var/log/b.log", 4)
    assert FILES["var/log/a.log"].startswith(files_below(directory)["var/log/a.log"])


@pytest.mark.parametrize("name", ["../evil", "/../evil", "a/../../evil"])
def test_nothing_is_written_outside_of_the_directory(tmp_path: Path, name: str) -> None:
    path, directory = tmp_path / "x.tar.gz", tmp_path / "out"
    write_plain_archive(path, {name: b"evil", "good": b"good"})
    bad, _ = extract_to(path, directory)
    assert bad == LeftOut(name, f"it would lie outside of {directory}")
    assert files_below(tmp_path).keys() == {"x.tar.gz", "out/good"}


def test_an_absolute_name_is_extracted_below_the_directory(tmp_path: Path) -> None:
    path, directory = tmp_path / "x.tar.gz", tmp_path / "out"
    write_plain_archive(path, {f"{tmp_path}/evil": b"good"})
    extract_to(path, directory)
    assert not (tmp_path / "evil").exists()
    assert list(files_below(directory).values()) == [b"good"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_symbolic_links_and_devices_are_left_out(tmp_path: Path, kind: bytes) -> None:
    path, directory = tmp_path / "x.tar.gz", tmp_path / "out"
    odd = tarfile.TarInfo("odd")
    odd.type, odd.linkname = kind, "good"
    write_plain_archive(path, {"good": b"good"}, odd)
    _, left = extract_to(path, directory)
    assert isinstance(left, LeftOut)
    assert list(directory.iterdir()) == [directory / "good"]


def hard_link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.LNKTYPE, target
    return info


def test_a_hard_link_is_linked_to_the_file_that_was_extracted(tmp_path: Path) -> None:
    path, directory = tmp_path / "x.tar.gz", tmp_path / "out"
    write_plain_archive(path, {"good": b"good"}, hard_link("dir/again", "good"))
    assert extract_to(path, directory) == [Extracted("good", 4), Extracted("dir/again", 4)]
    assert (directory / "good").samefile(directory / "dir/again")


def test_a_hard_link_alone_gets_the_content_of_its_member(tmp_path: Path) -> None:
    path, directory = tmp_path / "x.tar.gz", tmp_path / "out"
    write_plain_archive(path, {"good": b"good"}, hard_link("again", "good"))
    with open_archive(path) as archive:
        assert list(extract(archive, directory, {"again"})) == [Extracted("again", 4)]
    assert files_below(directory) == {"again": b"good"}


@pytest.mark.parametrize("target", ["../outside", "/etc/passwd", "kept", "linked", "missing", "evil"])
def test_a_hard_link_leads_to_nothing_but_what_was_extracted(tmp_path: Path, target: str) -> None:
    path, directory = tmp_path / "x.tar.gz", tmp_path / "out"
    directory.mkdir()
    (tmp_path / "outside").write_bytes(b"outside")
    (directory / "kept").write_bytes(b"kept")
    (directory / "linked").symlink_to(tmp_path / "outside")
    write_plain_archive(path, {"good": b"good"}, hard_link("evil", target))
    _, result = extract_to(path, directory)
    assert isinstance(result, LeftOut)
    assert not (directory / "evil").exists()


def test_existing_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    path, directory = tmp_path / "x.tar.gz", tmp_path / "out"
    write_plain_archive(path, {"outside": b"evil", "inside": b"evil", "dir/x": b"evil"})
    directory.mkdir()
    (target := tmp_path / "target").write_bytes(b"kept")
    (directory / "kept").write_bytes(b"kept")
    (directory / "outside").symlink_to(target)
    (directory / "inside").symlink_to("kept")
    (directory / "dir").symlink_to(tmp_path)
    assert all(isinstance(result, LeftOut) for result in extract_to(path, directory))
    assert target.read_bytes() == (directory / "kept").read_bytes() == b"kept"
    assert not (tmp_path / "x").exists()


def test_directories_are_created_and_writable(tmp_path: Path) -> None:
    path, directory = tmp_path / "x.tar.gz", tmp_path / "out"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("empty")
        info.type, info.mode = tarfile.DIRTYPE, 0
        tar.addfile(info)
    assert extract_to(path, directory) == [Extracted("empty", 0)]
    assert os.access(directory / "empty", os.W_OK)


def test_a_directory_that_cannot_be_created_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write_archive(path, FILES)
    with pytest.raises(ArchiveError, match=r"cannot create the directory .*x.tar.gz/out: Not a directory"):
        extract_to(path, path / "out")


def test_a_python_without_the_data_filter_extracts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.tar.gz"
    write_archive(path, FILES)
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(ArchiveError, match=r"3\.11\.4"):
        extract_to(path, tmp_path / "out")
