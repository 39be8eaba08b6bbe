from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.os_calls import intercept_os_calls

from nodelogd.collector.store.journal_file import JOURNAL_SIZE, JournalFile
from nodelogd.collector.store.journal_format import SPARE_SLOT, Header, current_slot

if TYPE_CHECKING:
    from pathlib import Path


def header(generation: int) -> bytes:
    return Header(
        generation=generation, device=1, inode=2, base=0, first_batch=1, last_sealed=0, created_at=0.0,
        boot_id=bytes(16),
    ).encode()  # fmt: skip


def test_the_space_of_a_journal_is_allocated_in_advance(tmp_path: Path) -> None:
    journal = JournalFile(tmp_path / "journal", b"head")
    blocks = (tmp_path / "journal").stat().st_blocks
    assert blocks * 512 >= JOURNAL_SIZE
    while journal.has_room_for(b"x" * 65_536):
        journal.append(b"x" * 65_536)
    assert (tmp_path / "journal").stat().st_blocks == blocks
    journal.close()


def test_a_marked_end_is_replaced_by_the_next_record(tmp_path: Path) -> None:
    journal = JournalFile(tmp_path / "journal", b"head")
    journal.append(b"one")
    journal.mark_end(b"end")
    journal.append(b"two and more")
    journal.close()
    assert (tmp_path / "journal").read_bytes()[:20] == b"headonetwo and more\0"


def refuse_to_create(name: str, arguments: tuple[Any, ...]) -> None:
    if name == "open" and arguments[1] & os.O_CREAT:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_where_no_file_can_be_created_journals_alternate_between_two_places_in_one_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal"
    JournalFile(path, header(1)).close()
    places = []
    with intercept_os_calls(refuse_to_create):
        for generation in range(2, 6):
            journal = JournalFile(path, header(generation))
            journal.append(b"record")
            assert journal.has_room_for(b"x" * (JOURNAL_SIZE // 2))
            assert not journal.has_room_for(b"x" * JOURNAL_SIZE)
            journal.close()
            at, content = current_slot(path.read_bytes())
            assert content.startswith(header(generation) + b"record\0")
            places.append(at)
    assert places == [SPARE_SLOT, 0, SPARE_SLOT, 0]


def test_a_first_journal_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    with intercept_os_calls(refuse_to_create), pytest.raises(PermissionError):
        JournalFile(tmp_path / "journal", header(1))


def test_an_error_before_a_journal_is_published_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    JournalFile(path, header(1)).close()

    def fail() -> None:
        raise OSError(errno.EXDEV, "moved")

    with pytest.raises(OSError, match="moved"):
        JournalFile(path, header(2), fail)
    with intercept_os_calls(refuse_to_create), pytest.raises(OSError, match="moved"):
        JournalFile(path, header(2), fail)
    assert current_slot(path.read_bytes())[1].startswith(header(1))
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]


def test_a_record_that_failed_half_way_is_overwritten(tmp_path: Path) -> None:
    journal = JournalFile(tmp_path / "journal", b"head")
    real = os.pwrite

    def write_half(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "pwrite":
            real(arguments[0], b"XX", arguments[2])
            raise OSError(errno.EIO, "broken")

    with intercept_os_calls(write_half), pytest.raises(OSError, match="broken"):
        journal.append(b"first")
    journal.append(b"second")
    journal.close()
    assert (tmp_path / "journal").read_bytes()[:11] == b"headsecond\0"
