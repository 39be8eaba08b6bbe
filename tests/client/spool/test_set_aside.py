import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from nodelog.spool.blocks import SpoolError
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.inspection import inspect_spool
from nodelog.spool.set_aside import SetAsideBlocks, opened_set_aside


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def set_aside(path: Path, *lines: bytes) -> None:
    """Set each line aside in a block of its own."""
    spool = FileSpool(path)
    for line in lines:
        spool.append([line])
        spool.set_aside(spool.stream, "the collector hung up")
    spool.close()


def test_blocks_are_read_marked_and_discarded(path: Path) -> None:
    set_aside(path, b"one", b"\xff\x00", b"three")
    with opened_set_aside(path) as aside:
        assert [aside.read(block) for block in aside.all] == [b"one\n", b"\xff\x00\n", b"three\n"]
        aside.mark_exported(aside.all[:2])
        aside.discard(aside.all[:1])
        assert aside.read(aside.all[0]) == b""
    assert [block.exported for block in inspect_spool(path).aside] == [True, False]


def test_a_spool_in_use_is_refused_with_its_holder_and_can_be_used_afterwards(path: Path) -> None:
    set_aside(path, b"one")
    holder = FileSpool(path)
    with pytest.raises(SpoolError, match=f"is in use by process {os.getpid()} on "), opened_set_aside(path):
        pass
    holder.close()
    with opened_set_aside(path), pytest.raises(SpoolError, match="in use"):
        FileSpool(path)
    FileSpool(path).close()


def test_a_spool_with_marks_goes_on_as_before(path: Path) -> None:
    set_aside(path, b"one")
    with opened_set_aside(path) as aside:
        aside.mark_exported(aside.all)
    set_aside(path, b"two")
    assert [(block.lines, block.exported) for block in inspect_spool(path).aside] == [(1, True), (1, False)]


def test_what_a_child_left_stays_marked_when_the_parent_takes_it_over(path: Path) -> None:
    child = path.with_name(f"{path.name}.child-7")
    set_aside(child, b"exported", b"new")
    with opened_set_aside(child) as aside:
        aside.mark_exported(aside.all[:1])
    set_aside(path, b"of the parent")
    assert [block.exported for block in inspect_spool(path).aside] == [True, False, False]
    assert not child.exists()


def test_nothing_is_created_for_what_is_not_a_spool(path: Path) -> None:
    with pytest.raises(SpoolError, match="No such file"), opened_set_aside(path):
        pass
    path.write_bytes(b"something else")
    with pytest.raises(SpoolError, match="is not a spool"), opened_set_aside(path):
        pass
    assert list(path.parent.iterdir()) == [path]


def test_a_new_lock_belongs_to_the_owner_of_the_spool(path: Path) -> None:
    set_aside(path, b"one")
    lock = path.with_name("spool.lock")
    lock.unlink()
    os.chown(path, 65534, 65534)
    with opened_set_aside(path):
        pass
    assert (lock.stat().st_uid, lock.stat().st_gid) == (65534, 65534)


def discard_refused(path: Path, aside: SetAsideBlocks) -> None:
    with closing(sqlite3.connect(path)) as file:  # after the schema was checked
        file.execute("CREATE TRIGGER no BEFORE DELETE ON aside BEGIN SELECT RAISE(ABORT, 'no'); END")
    aside.discard(aside.all)


def test_an_error_of_the_file_is_one_line(path: Path) -> None:
    set_aside(path, b"one")
    with pytest.raises(SpoolError, match=f"cannot use spool {path}: no"), opened_set_aside(path) as aside:
        discard_refused(path, aside)
    with closing(sqlite3.connect(path)) as file:
        file.execute("DROP TRIGGER no")
    assert len(inspect_spool(path).aside) == 1
