from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.client.spool.spool_files import abandon, held

from nodelog.spool import orphans
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.orphans import child_spool_path
from nodelog.spool.spool_database import open_spool_database

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def child_of(path: Path, name: str = "7") -> FileSpool:
    """Open the spool of a child."""
    return FileSpool(f"{path}.child-{name}", is_child_spool=True)


def names(path: Path) -> set[str]:
    """Return the names of all files except locks."""
    return {file.name for file in path.parent.iterdir() if not file.name.endswith(".lock")}


def test_what_a_child_left_is_taken_over_under_its_stream(path: Path) -> None:
    parent, child, grandchild = FileSpool(path), child_of(path), child_of(path, "7.child-8")
    parent.append([b"parent"])
    child.append([b"child"])
    child.seal(child.blocks(child.stream)[0])
    child.append([b"more lines"])
    grandchild.append([b"grandchild"])
    grandchild.set_aside(grandchild.stream, "why")
    grandchild.append([b"another"])
    expected = held(parent) | held(child) | held(grandchild)
    for spool in (parent, child, grandchild):
        abandon(spool)
    parent = FileSpool(path)
    assert held(parent) == expected
    assert names(path) == {"spool", "spool-wal", "spool-shm"}
    parent.close()
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT why, data FROM aside").fetchall() == [("why", b"grandchild\n")]


def test_the_spool_of_a_running_child_is_skipped(path: Path) -> None:
    child = child_of(path)
    child.append([b"child"])
    parent = FileSpool(path)
    assert not parent.streams()
    child.append([b"more"])
    parent.close()
    abandon(child)
    parent = FileSpool(path)
    assert parent.lines == 2
    parent.close()


def test_a_child_with_nothing_left_removes_its_file(path: Path) -> None:
    child = child_of(path)
    child.append([b"child"])
    child.forget(child.stream, 1)
    child.close()
    assert not list(path.parent.iterdir())


def test_a_child_that_set_a_block_aside_leaves_its_file(path: Path) -> None:
    child = child_of(path)
    child.append([b"child"])
    child.set_aside(child.stream, "why")
    child.close()
    assert names(path) == {"spool.child-7"}


def test_a_crash_during_a_takeover_duplicates_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = child_of(path)
    child.append([b"child"])
    child.set_aside(child.stream, "why")
    child.append([b"child"])
    abandon(child)
    with monkeypatch.context() as patch:
        patch.setattr(orphans, "remove_spool", lambda _: None)
        abandon(FileSpool(path))
    assert "spool.child-7" in names(path)
    parent = FileSpool(path)
    assert (parent.lines, len(parent.streams())) == (1, 1)
    assert names(path) == {"spool", "spool-wal", "spool-shm"}
    parent.close()
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM aside").fetchone() == (1,)


def test_a_file_that_is_not_a_childs_spool_is_left_alone_and_reported(path: Path) -> None:
    for name in ("spool.child-7", "spool.child-x", "spool.1", "other.child-7"):
        path.with_name(name).write_text("text")
    spool = FileSpool(path)
    (notice,) = spool.notices
    assert notice == (
        f"{path}.child-7 is not a spool and is left unchanged; choose another, or move it away; "
        "the file stays, its lines are not taken over"
    )
    spool.close()
    assert {"spool.child-7", "spool.child-x", "spool.1", "other.child-7"} < names(path)


def test_each_child_has_a_path_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: 12)
    assert child_spool_path("/spool") == "/spool.child-12"


def test_what_was_taken_over_is_synced_before_the_childs_file_is_removed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = child_of(path)
    child.append([b"child"])
    abandon(child)
    steps: list[str] = []
    monkeypatch.setattr(orphans, "remove_spool", lambda _: steps.append("removed"))
    with closing(open_spool_database(path, [])) as file:
        file.set_trace_callback(steps.append)
        orphans.adopt_orphans(file, path, [])
        (level,) = file.execute("PRAGMA main.synchronous").fetchone()
    watched = ("PRAGMA main.sync", "COMMIT", "removed")
    assert [step.strip(" \n;") for step in steps if step.strip().startswith(watched)] == [
        "PRAGMA main.synchronous = FULL",
        "COMMIT",
        "PRAGMA main.synchronous = NORMAL",
        "removed",
        "PRAGMA main.synchronous",
    ]
    assert level == 1
