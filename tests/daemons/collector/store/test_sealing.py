from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.os_calls import intercept_os_calls

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.store.active_file import ActiveFile, creating_successor
from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.permissions import Permissions
from nodelogd.collector.store.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def names(tmp_path: Path) -> FileNames:
    return FileNames.resolve(tmp_path / "node_log")


@pytest.fixture
def sealer(names: FileNames) -> Sealer:
    return Sealer(names, Metrics(), last_number=6)


def sealed(names: FileNames) -> list[tuple[int, bytes]]:
    return [(file.number, file.path.read_bytes()) for file in names.sealed_files()]


def seal(sealer: Sealer, lines: bytes, number: int | None = None) -> None:
    log = sealer.names.log
    log.write_bytes(lines)
    file = ActiveFile(log)
    try:
        with creating_successor(log, Permissions.of(file.fd)) as successor:
            sealer.seal(file, successor, number or sealer.next_number())
        os.close(successor.fd)
    finally:
        os.close(file.fd)


def refusing(*calls: str, number: int = errno.EPERM) -> Callable[[str, tuple[Any, ...]], None]:
    def refuse(name: str, _: tuple[Any, ...]) -> None:
        if name in calls:
            raise OSError(number, os.strerror(number))

    return refuse


def test_numbers_continue_after_the_last_one_used_or_found(names: FileNames, sealer: Sealer) -> None:
    seal(sealer, b"one\n")
    names.sealed_path(9, 0.0).write_bytes(b"foreign\n")
    seal(sealer, b"two\n")
    assert sealed(names) == [(7, b"one\n"), (9, b"foreign\n"), (10, b"two\n")]


@pytest.mark.parametrize("without_links", [False, True])
def test_the_log_is_followed_by_its_empty_successor(
    names: FileNames, sealer: Sealer, *, without_links: bool
) -> None:
    with intercept_os_calls(refusing(*(["link"] if without_links else []))):
        seal(sealer, b"one\n")
    assert sealed(names) == [(7, b"one\n")]
    assert names.log.read_bytes() == b""
    assert len(list(names.directory.iterdir())) == 2


@pytest.mark.parametrize("without_links", [False, True])
def test_a_sealed_file_is_never_replaced(
    names: FileNames, sealer: Sealer, monkeypatch: pytest.MonkeyPatch, *, without_links: bool
) -> None:
    taken = names.sealed_path(7, 0.0)
    taken.write_bytes(b"taken\n")
    monkeypatch.setattr(FileNames, "sealed_path", lambda *_: taken)
    with (
        intercept_os_calls(refusing(*(["link"] if without_links else []))),
        pytest.raises(FileExistsError),
    ):
        seal(sealer, b"one\n", 7)
    assert (taken.read_bytes(), names.log.read_bytes()) == (b"taken\n", b"one\n")
    assert len(list(names.directory.iterdir())) == 2


@pytest.mark.parametrize("calls", [("link",), ("link", "rename"), ("rename",)])
@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EACCES, errno.EBUSY, errno.EROFS])
def test_a_refused_seal_leaves_the_log_and_nothing_else(
    names: FileNames, sealer: Sealer, calls: tuple[str, ...], number: int
) -> None:
    if calls == ("link",) and number == errno.EPERM:
        return  # that is how a file system without links refuses; the rename works
    with intercept_os_calls(refusing(*calls, number=number)), pytest.raises(OSError, match="Errno"):
        seal(sealer, b"one\n")
    assert [path.name for path in names.directory.iterdir()] == ["node_log"]
    assert names.log.read_bytes() == b"one\n"


def test_an_interrupted_seal_is_finished_under_the_same_name(names: FileNames, sealer: Sealer) -> None:
    names.log.write_bytes(b"one\n")
    names.sealed_path(7, 0.0).hardlink_to(names.log)
    seal_again = ActiveFile(names.log)
    with creating_successor(names.log, Permissions.of(seal_again.fd)) as successor:
        sealer.seal(seal_again, successor, 8)
    assert sealed(names) == [(7, b"one\n")]
    assert names.log.read_bytes() == b""


def test_without_links_a_log_gets_its_name_back_if_its_successor_cannot_take_it(
    names: FileNames, sealer: Sealer
) -> None:
    renames: list[str] = []

    def refuse(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "link":
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        if name == "rename":
            renames.append(str(arguments[0]))
            if len(renames) == 2:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    with intercept_os_calls(refuse), pytest.raises(OSError, match="Input/output"):
        seal(sealer, b"one\n")
    assert [path.name for path in names.directory.iterdir()] == ["node_log"]
    assert names.log.read_bytes() == b"one\n"
