from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.store_harness import (
    STREAM,
    append_lines,
    disk_full,
    failing,
    open_store,
    read_sealed,
)

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.store import sealing
from nodelogd.collector.store.commits import SyncError
from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.log_store import LogStore, StoreNeighbours, StoreSettings
from nodelogd.collector.store.sealing import RotationErrors
from nodelogd.service.health import Health

if TYPE_CHECKING:
    from pathlib import Path


def refused(number: int) -> OSError:
    return OSError(number, os.strerror(number), "/log", None, "/log-1.log")


@pytest.mark.parametrize(
    ("call", "number", "advice"),
    [
        ("link", errno.EXDEV, "mount the directory of the log instead of the single file"),
        ("rename", errno.EBUSY, "mount the directory"),
        ("rename", errno.EPERM, "chattr -a -i"),
        ("link", errno.EACCES, f"let user {os.geteuid()} write in"),
        ("link", errno.EROFS, "read-write"),
        ("rename", errno.EDQUOT, "quota"),
        ("link", errno.EIO, "docs/storage.md"),
    ],
)
def test_a_log_that_cannot_be_renamed_goes_on_and_says_what_to_do(
    log: Path, call: str, number: int, advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    health, metrics = Health(), Metrics()
    store = LogStore(
        FileNames.resolve(log), StoreSettings(rotate_size=10), metrics, StoreNeighbours(health=health)
    )
    with failing(call, refused(number)):
        for block in range(1, 6):
            append_lines(store, b"line %d\n" % block, block)
    assert (read_sealed(log), log.read_bytes().count(b"\n")) == ([], 5)
    reason = health.degraded_reasons()["rotation"]
    assert str(log) in reason
    assert "rename" in reason
    assert os.strerror(number) in reason
    assert advice in reason
    assert health.not_ready_reasons() == {}
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [reason]
    assert metrics.registry.get_sample_value("nodelog_write_failures_total", {"what": "rotate"}) == 1
    store.rotate()  # SIGHUP does not wait
    assert health.degraded_reasons() == {}
    append_lines(store, b"line 6\n", 6)
    store.close()
    assert (len(read_sealed(log)), log.read_bytes()) == (1, b"line 6\n")
    assert open_store(log).streams.durable == {STREAM: 6}


def test_a_refused_rotation_is_tried_again_without_a_batch(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "RETRY_DELAY", 0.0)
    store = open_store(log, rotate_size=10)
    append_lines(store, b"line 1\n")
    with failing("link", refused(errno.EXDEV)):
        append_lines(store, b"line 2\n")
    store.tick()
    assert read_sealed(log) == [b"line 1\nline 2\n"]


def test_retries_come_at_growing_intervals(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    errors = RotationErrors(FileNames(log), Metrics(), Health())
    waits = []
    for _ in range(12):
        assert errors.is_due()
        errors.note_refusal(refused(errno.EXDEV))
        start = now
        while not errors.is_due():
            now += 10
        waits.append(now - start)
    assert waits[:3] == [10, 20, 40]
    assert waits[-1] == 3600


@pytest.mark.parametrize(("free", "is_named"), [(0, True), (2, True), (1000, False)])
def test_the_lack_of_inodes_is_named(
    log: Path, monkeypatch: pytest.MonkeyPatch, free: int, *, is_named: bool
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_files=1000, f_favail=free))
    health = Health()
    RotationErrors(FileNames(log), Metrics(), health).note_refusal(disk_full())
    assert (f"{free} inodes are free" in health.degraded_reasons()["rotation"]) == is_named


def test_where_no_file_can_be_created_the_log_goes_on_through_many_journals(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(log, rotate_size=10)
    real = os.open

    def refuse(path: str | int, flags: int, *more: int, **named: int) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, flags, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    generations = []
    for block in range(1, 8):
        append_lines(store, b"line %d\n" % block, block)
        with log.open("ab") as file:  # makes a new journal
            file.write(b"stranger\n")
        generations.append(store.commits._generation)
    store.commits.sync()
    assert len(set(generations)) == 7
    assert open_store(log).streams.durable == {STREAM: 7}
    assert log.read_bytes() == b"".join(b"line %d\nstranger\n" % block for block in range(1, 8))


def test_after_a_failed_sync_a_log_that_cannot_be_renamed_goes_on_in_its_file(log: Path) -> None:
    store = open_store(log)
    append_lines(store, b"lines alone\n")
    start = append_lines(store, b"one\n", 1)
    with failing("fdatasync", OSError(errno.EIO, "broken")), pytest.raises(SyncError):
        store.commits.sync()
    with failing("link", refused(errno.EXDEV)):
        store.restart_in_new_file(start)
        append_lines(store, b"one\n", 1)
        store.verify_position()
        store.commits.sync()
    assert store.streams.durable == {STREAM: 1}
    append_lines(store, b"two\n", 2)
    del store
    assert (read_sealed(log), log.read_bytes()) == ([], b"lines alone\none\ntwo\n")
    assert open_store(log).streams.durable == {STREAM: 2}


def test_a_log_goes_on_once_its_removed_directory_is_there_again(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "node_log"
    log.parent.mkdir()
    store = open_store(log)
    append_lines(store, b"one\n", 1)
    shutil.rmtree(log.parent)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            append_lines(store, b"two\n", 2)
    log.parent.mkdir()
    append_lines(store, b"two\n", 2)
    store.close()
    assert log.read_bytes() == b"two\n"
    assert open_store(log).streams.durable == {STREAM: 2}


def test_an_interrupted_rotation_that_cannot_be_finished_does_not_stop_the_start(log: Path) -> None:
    store = open_store(log)
    append_lines(store, b"one\n", 1)
    store.close()
    FileNames(log).sealed_path(1, 0.0).hardlink_to(log)
    with failing("unlink", PermissionError(errno.EPERM, os.strerror(errno.EPERM))):
        store = open_store(log)
        append_lines(store, b"two\n", 2)
    store.rotate()
    append_lines(store, b"three\n", 3)
    store.close()
    assert (read_sealed(log), log.read_bytes()) == ([b"one\ntwo\n"], b"three\n")
    assert open_store(log).streams.durable == {STREAM: 3}
