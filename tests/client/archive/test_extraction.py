import os
import tarfile
from pathlib import Path

import pytest
from tests.client.archive.archive_builder import MODE, MTIME, damage, foreign, made

from nodelog.archive.archive_reader import ArchiveError, DamagedPart, open_archive
from nodelog.archive.extraction import Extracted, LeftOut, extract

FILES = {"var/log/a.log": bytes(range(256)) * 64, "var/log/b.log": b"two\n"}
ODD = {"x" * 200: b"long", "not utf-8 \udcff": b"odd", "two\nlines": b"", "-rf": b"dash"}


def extracted(path: Path, folder: Path, *names: str) -> list[Extracted | LeftOut | DamagedPart]:
    with open_archive(path) as archive:
        return list(extract(archive, folder, names or None))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_are_what_they_were(tmp_path: Path) -> None:
    path, folder = tmp_path / "x.tar.gz", tmp_path / "new" / "out"
    made(path, FILES | ODD)
    done = extracted(path, folder)
    assert done == [Extracted(name, len(content)) for name, content in (FILES | ODD).items()]
    assert files(folder) == FILES | ODD
    status = (folder / "-rf").stat()
    assert (status.st_mode & 0o7777, status.st_mtime) == (MODE, MTIME)


def test_only_what_is_asked_for_is_extracted_over_what_is_there(tmp_path: Path) -> None:
    path, folder = tmp_path / "x.tar.gz", tmp_path / "out"
    made(path, FILES)
    (folder / "var" / "log").mkdir(parents=True)
    (folder / "var" / "log" / "b.log").write_text("longer than the new one")
    extracted(path, folder, "var/log/b.log")
    assert files(folder) == {"var/log/b.log": b"two\n"}


def test_of_a_damaged_archive_what_is_whole_is_extracted(tmp_path: Path) -> None:
    path, folder = tmp_path / "x.tar.gz", tmp_path / "out"
    places = made(path, FILES)
    damage(path, places[3].offset + 2)
    first, second = extracted(path, folder)
    assert isinstance(first, DamagedPart)
    assert second == Extracted("var/log/b.log", 4)
    assert FILES["var/log/a.log"].startswith(files(folder)["var/log/a.log"])


@pytest.mark.parametrize("name", ["../evil", "/../evil", "a/../../evil"])
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    path, folder = tmp_path / "x.tar.gz", tmp_path / "out"
    foreign(path, {name: b"evil", "good": b"good"})
    bad, _ = extracted(path, folder)
    assert bad == LeftOut(name, f"it would lie outside of {folder}")
    assert files(tmp_path).keys() == {"x.tar.gz", "out/good"}


def test_an_absolute_name_ends_up_in_the_folder(tmp_path: Path) -> None:
    path, folder = tmp_path / "x.tar.gz", tmp_path / "out"
    foreign(path, {f"{tmp_path}/evil": b"good"})
    extracted(path, folder)
    assert not (tmp_path / "evil").exists()
    assert list(files(folder).values()) == [b"good"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_left_out(tmp_path: Path, kind: bytes) -> None:
    path, folder = tmp_path / "x.tar.gz", tmp_path / "out"
    odd = tarfile.TarInfo("odd")
    odd.type, odd.linkname = kind, "good"
    foreign(path, {"good": b"good"}, odd)
    _, left = extracted(path, folder)
    assert isinstance(left, LeftOut)
    assert list(folder.iterdir()) == [folder / "good"]


def test_a_link_that_is_there_already_leads_nowhere(tmp_path: Path) -> None:
    path, folder = tmp_path / "x.tar.gz", tmp_path / "out"
    foreign(path, {"outside": b"evil", "inside": b"evil", "dir/x": b"evil"})
    folder.mkdir()
    (target := tmp_path / "target").write_bytes(b"kept")
    (folder / "kept").write_bytes(b"kept")
    (folder / "outside").symlink_to(target)
    (folder / "inside").symlink_to("kept")
    (folder / "dir").symlink_to(tmp_path)
    assert all(isinstance(done, LeftOut) for done in extracted(path, folder))
    assert target.read_bytes() == (folder / "kept").read_bytes() == b"kept"
    assert not (tmp_path / "x").exists()


def test_directories_are_made_and_their_files_too(tmp_path: Path) -> None:
    path, folder = tmp_path / "x.tar.gz", tmp_path / "out"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("empty")
        info.type, info.mode = tarfile.DIRTYPE, 0
        tar.addfile(info)
    assert extracted(path, folder) == [Extracted("empty", 0)]
    assert os.access(folder / "empty", os.W_OK)


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    made(path, FILES)
    with pytest.raises(ArchiveError, match=r"cannot create the directory .*x.tar.gz/out: Not a directory"):
        extracted(path, path / "out")


def test_a_python_without_the_filter_extracts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.tar.gz"
    made(path, FILES)
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(ArchiveError, match=r"3\.11\.4"):
        extracted(path, tmp_path / "out")
