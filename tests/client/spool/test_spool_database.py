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


def made(path: Path, blocks: int = 0) -> None:
    """Make a spool with so many blocks."""
    with closing(open_spool_database(path, [])) as file:
        file.execute("INSERT INTO streams VALUES (1, x'00')")
        for number in range(blocks):
            file.execute("INSERT INTO pieces VALUES (?, 1, ?, 1, 0, 4000, ?)", (number, number, bytes(4000)))


def test_a_new_spool_is_for_its_owner_alone(path: Path) -> None:
    made(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_empty_file_is_a_new_spool(path: Path) -> None:
    path.touch()
    made(path)
    news: list[str] = []
    open_spool_database(path, news).close()
    assert not news


@pytest.mark.parametrize("content", [b"2026-11-22 a line\n", b"SQLite format 2\0", b"\0"])
def test_a_file_that_is_something_else_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(
        SpoolError, match=rf"^{path} is not a spool and is left as it is; give another, or move"
    ):
        open_spool_database(path, [])
    assert path.read_bytes() == content


def test_another_database_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE people (name)")
    before = path.read_bytes()
    with pytest.raises(SpoolError, match=r"is a SQLite file but not a spool, and is left as it is"):
        open_spool_database(path, [])
    assert path.read_bytes() == before


def test_a_spool_of_another_format_is_left_alone(path: Path) -> None:
    made(path)
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {FORMAT_VERSION + 1}")
    with pytest.raises(
        SpoolError, match=rf"^spool {path} has format 2, this nodelog knows 1; use the nodelog that"
    ):
        open_spool_database(path, [])


@pytest.mark.parametrize("where", [20, 4096, 12 * 4096])
def test_a_damaged_spool_is_put_aside_and_that_is_said(path: Path, where: int) -> None:
    made(path, blocks=50)
    with path.open("r+b") as file:
        file.seek(where)
        file.write(os.urandom(12_000))
    damaged = path.read_bytes()
    for number in (1, 2):
        news: list[str] = []
        with closing(open_spool_database(path, news)) as file:
            assert file.execute("SELECT count(*) FROM pieces").fetchone() == (0,)
        aside = path.with_name(f"spool.damaged-{number}")
        (text,) = news
        assert text.startswith(f"spool {path} is damaged (")
        assert text.endswith(f"; it is kept as {aside}, a new one is begun")
        assert aside.read_bytes() == damaged
        path.write_bytes(damaged)


def test_what_was_not_checkpointed_goes_aside_with_the_file(path: Path) -> None:
    made(path, blocks=50)
    kept = sqlite3.connect(path)  # as long as it is open, the log stays
    kept.execute("INSERT INTO streams VALUES (2, x'02')")
    kept.commit()
    with path.open("r+b") as file:
        file.seek(4096 * 20)
        file.write(os.urandom(8192))
    open_spool_database(path, []).close()
    assert path.with_name("spool.damaged-1-wal").stat().st_size
    kept.close()


@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_no_permission_is_one_line(path: Path, mode: int) -> None:
    path.parent.chmod(mode)
    if os.geteuid() == 0:  # who may do everything
        os.seteuid(65534)
    try:
        with pytest.raises(SpoolError, match=rf"^cannot open spool {path}: Permission denied; give another$"):
            open_spool_database(path, [])
    finally:
        os.seteuid(os.getuid())
        path.parent.chmod(0o700)


def test_a_folder_is_no_spool(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=rf"^cannot open spool {tmp_path}: Is a directory"):
        open_spool_database(tmp_path, [])


def test_a_pipe_is_no_spool_and_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(SpoolError, match=rf"^{path} is not a regular file; give another spool"):
        open_spool_database(path, [])
