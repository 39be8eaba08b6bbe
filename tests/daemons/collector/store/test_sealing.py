from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults import watched

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.store.active_file import ActiveFile
from nodelogd.collector.store.file_names import Names
from nodelogd.collector.store.sealing import Seals

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def names(tmp_path: Path) -> Names:
    return Names.of(tmp_path / "node_log")


def sealed(names: Names) -> list[tuple[int, bytes]]:
    return [(each.number, each.path.read_bytes()) for each in names.finished()]


def seal(names: Names, seals: Seals, lines: bytes) -> None:
    names.log.write_bytes(lines)
    file = ActiveFile(names.log)
    try:
        seals.seal(file)
    finally:
        os.close(file.fd)


def test_numbers_go_on_behind_the_last_one_that_was_given_or_is_there(names: Names) -> None:
    seals = Seals(names, Metrics(), last=6)
    seal(names, seals, b"one\n")
    names.sealed(9, 0.0).write_bytes(b"somebody's\n")
    seal(names, seals, b"two\n")
    assert sealed(names) == [(7, b"one\n"), (9, b"somebody's\n"), (10, b"two\n")]
    assert not names.log.exists()
    assert seals.last == 10


def test_a_seal_that_stopped_half_way_is_finished_under_the_same_name(names: Names) -> None:
    seals = Seals(names, Metrics(), last=0)

    def before(called: str, _: tuple[Any, ...]) -> None:
        if called == "unlink":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    names.log.write_bytes(b"one\n")
    file = ActiveFile(names.log)
    with watched(before), pytest.raises(OSError, match="Input/output"):
        seals.seal(file)
    assert names.log.exists()
    seals.seal(file)
    os.close(file.fd)
    assert sealed(names) == [(1, b"one\n")]
    assert not names.log.exists()
