from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.os_calls import intercept_os_calls

from nodelogd.collector.store.journal_file import JOURNAL_SIZE, JournalFile

if TYPE_CHECKING:
    from pathlib import Path


def test_the_space_of_a_journal_is_allocated_in_advance(tmp_path: Path) -> None:
    journal = JournalFile(tmp_path / "journal", b"head")
    blocks = (tmp_path / "journal").stat().st_blocks
    assert blocks * 512 >= JOURNAL_SIZE
    while journal.has_room_for(b"x" * 65_536):
        journal.append(b"x" * 65_536)
    assert (tmp_path / "journal").stat().st_blocks == blocks
    journal.close()


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
