from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nodelog.spool.blocks import SpoolError
from nodelog.spool.spool_database import FORMAT_VERSION, open_spool_database

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def create(path: Path, blocks: int = 0) -> None:
    """Create a spool with this number of blocks."""
    with closing(open_spool_database(path, [])) as file:
        file.execute("INSERT INTO streams VALUES (1, x'00')")
        for number in range(blocks):
            file.execute("INSERT INTO pieces VALUES (?, 1, ?, 1, 0, 4000, ?)", (number, number, bytes(4000)))


def test_a_new_spool_is_private_to_its_owner(path: Path) -> None:
    create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_empty_file_becomes_a_new_spool(path: Path) -> None:
    path.touch()
    create(path)
    notices: list[str] = []
    open_spool_database(path, notices).close()
    assert not notices


@pytest.mark.parametrize("content", [b"2026-11-22 a line\n", b"SQLite format 2\0", b"\0"])
def test_a_file_that_is_not_sqlite_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(
        SpoolError, match=rf"^{path} is not a spool and is left unchanged; choose another, or move"
    ):
        open_spool_database(path, [])
    assert path.read_bytes() == content


def test_another_database_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE people (name)")
    before = path.read_bytes()
    with pytest.raises(SpoolError, match=r"is a SQLite file but not a spool, and is left unchanged"):
        open_spool_database(path, [])
    assert path.read_bytes() == before


def test_a_spool_of_another_format_is_left_alone(path: Path) -> None:
    create(path)
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {FORMAT_VERSION + 1}")
    with pytest.raises(
        SpoolError, match=rf"^spool {path} has format 2, this nodelog knows 1; use the nodelog that"
    ):
        open_spool_database(path, [])


@pytest.mark.parametrize("where", [20, 4096, 12 * 4096])
def test_a_damaged_spool_is_renamed_and_reported(path: Path, where: int) -> None:
    create(path, blocks=50)
    with path.open("r+b") as file:
        file.seek(where)
        file.write(os.urandom(12_000))
    damaged = path.read_bytes()
    for number in (1, 2):
        notices: list[str] = []
        with closing(open_spool_database(path, notices)) as file:
            assert file.execute("SELECT count(*) FROM pieces").fetchone() == (0,)
        aside = path.with_name(f"spool.damaged-{number}")
        (text,) = notices
        assert text.startswith(f"spool {path} is damaged (")
        assert text.endswith(f"; it is kept as {aside}, a new one is started")
        assert aside.read_bytes() == damaged
        path.write_bytes(damaged)


def test_the_write_ahead_log_is_renamed_with_the_damaged_file(path: Path) -> None:
    create(path, blocks=50)
    other = sqlite3.connect(path)  # keeps the write-ahead log while it is open
    other.execute("INSERT INTO streams VALUES (2, x'02')")
    other.commit()
    with path.open("r+b") as file:
        file.seek(4096 * 20)
        file.write(os.urandom(8192))
    open_spool_database(path, []).close()
    assert path.with_name("spool.damaged-1-wal").stat().st_size
    other.close()


@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_lack_of_permission_is_an_error_of_one_line(path: Path, mode: int) -> None:
    path.parent.chmod(mode)
    if os.geteuid() == 0:  # root ignores permissions
        os.seteuid(65534)
    try:
        with pytest.raises(
            SpoolError, match=rf"^cannot open spool {path}: Permission denied; choose another$"
        ):
            open_spool_database(path, [])
    finally:
        os.seteuid(os.getuid())
        path.parent.chmod(0o700)


def test_a_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=rf"^cannot open spool {tmp_path}: Is a directory"):
        open_spool_database(tmp_path, [])


def test_a_named_pipe_is_an_error_and_does_not_block(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(SpoolError, match=rf"^{path} is not a regular file; choose another spool"):
        open_spool_database(path, [])
