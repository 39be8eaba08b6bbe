"""A folder that others write to: what stands at a spool's names there, and what a run does with it."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from nodelog.spool.blocks import SpoolError
from nodelog.spool.own_file import open_own
from nodelog.spool.spool_database import APPLICATION_ID, open_spool_database
from nodelog.spool.spool_lock import SpoolLock

OTHER_USER = 1000


def is_a_link(path: Path) -> None:
    path.symlink_to(path.with_name("victim"))


def has_two_names(path: Path) -> None:
    path.hardlink_to(path.with_name("victim"))


def belongs_to_another_user(path: Path) -> None:
    path.touch()
    os.chown(path, OTHER_USER, OTHER_USER)


def open_locked(spool: Path) -> None:
    """Do what a run does at its start."""
    SpoolLock(spool).release()
    open_spool_database(spool, []).close()


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("precious")
    return path


def test_a_file_of_our_own_is_opened_or_created_for_us_alone(tmp_path: Path) -> None:
    for _ in range(2):
        os.close(open_own(tmp_path / "app", os.O_RDWR | os.O_CREAT))
    assert (tmp_path / "app").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("plant", [is_a_link, has_two_names, belongs_to_another_user, os.mkfifo])
@pytest.mark.parametrize("suffix", ["", ".lock", "-wal", "-shm", "-journal"])
def test_what_is_not_ours_is_neither_opened_nor_changed(
    victim: Path, plant: Callable[[Path], None], suffix: str
) -> None:
    spool = victim.with_name("app")
    plant(victim.with_name(f"app{suffix}"))
    with pytest.raises(SpoolError, match=r"choose another"):
        open_locked(spool)
    assert victim.read_text() == "precious"


def test_a_link_to_nowhere_creates_nothing(tmp_path: Path) -> None:
    (tmp_path / "app").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpoolError, match="is a symbolic link and is not followed"):
        open_spool_database(tmp_path / "app", [])
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        ("CREATE VIEW streams AS SELECT 1 AS number, x'00' AS id", "the view streams"),
        (
            "CREATE TABLE aside (at); CREATE TRIGGER t BEFORE DELETE ON aside BEGIN SELECT 1; END",
            "the trigger t",
        ),
        ("CREATE TABLE more (x)", "the table more"),
        ("CREATE VIRTUAL TABLE pieces USING fts5(x)", "the table pieces"),
    ],
)
def test_a_spool_with_more_than_our_tables_is_left_alone(tmp_path: Path, extra: str, what: str) -> None:
    path = tmp_path / "app"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(f"{extra}; PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=1")
    before = path.read_bytes()
    with pytest.raises(SpoolError, match=f"it has {what}"):
        open_spool_database(path, [])
    assert path.read_bytes() == before
