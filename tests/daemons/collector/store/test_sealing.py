from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.os_calls import intercept_os_calls

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.store.active_file import ActiveFile
from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.sealing import Sealer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def names(tmp_path: Path) -> FileNames:
    return FileNames.resolve(tmp_path / "node_log")


def sealed(names: FileNames) -> list[tuple[int, bytes]]:
    return [(file.number, file.path.read_bytes()) for file in names.sealed_files()]


def seal(names: FileNames, sealer: Sealer, lines: bytes) -> None:
    names.log.write_bytes(lines)
    file = ActiveFile(names.log)
    try:
        sealer.seal(file)
    finally:
        os.close(file.fd)


def test_numbers_continue_after_the_last_one_used_or_found(names: FileNames) -> None:
    sealer = Sealer(names, Metrics(), last_number=6)
    seal(names, sealer, b"one\n")
    names.sealed_path(9, 0.0).write_bytes(b"foreign\n")
    seal(names, sealer, b"two\n")
    assert sealed(names) == [(7, b"one\n"), (9, b"foreign\n"), (10, b"two\n")]
    assert not names.log.exists()
    assert sealer.last_number == 10


def test_an_interrupted_seal_is_finished_under_the_same_name(names: FileNames) -> None:
    sealer = Sealer(names, Metrics(), last_number=0)

    def fail_unlink(called: str, _: tuple[Any, ...]) -> None:
        if called == "unlink":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    names.log.write_bytes(b"one\n")
    file = ActiveFile(names.log)
    with intercept_os_calls(fail_unlink), pytest.raises(OSError, match="Input/output"):
        sealer.seal(file)
    assert names.log.exists()
    sealer.seal(file)
    os.close(file.fd)
    assert sealed(names) == [(1, b"one\n")]
    assert not names.log.exists()
