from collections.abc import Iterator
from pathlib import Path

import pytest

from nodelog.commands.stdio.new_file import FileError, write_new_file


def test_a_file_that_cannot_be_completed_is_not_there(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"one"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_new_file(tmp_path / "file", parts())
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    write_new_file(tmp_path / "file", [b"one\n", b"two\n"])
    with pytest.raises(FileError, match="File exists"):
        write_new_file(tmp_path / "file", [b"three"])
    assert (tmp_path / "file").read_bytes() == b"one\ntwo\n"


def test_a_missing_folder_is_named_by_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="No such file or directory"):
        write_new_file(tmp_path / "none" / "file", [])
