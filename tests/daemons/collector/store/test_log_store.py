from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.daemons.collector.store_harness import (
    STREAM,
    append_foreign,
    append_lines,
    disk_full,
    failing,
    failing_once,
    io_error,
    open_store,
    read_sealed,
)
from tests.faults.os_calls import intercept_os_calls

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.store.commits import SyncError
from nodelogd.collector.store.file_names import FileNames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_the_log_contains_the_lines_and_nothing_else(log: Path) -> None:
    store = open_store(log)
    assert append_lines(store, b"one\ntwo\n") == 0
    assert append_lines(store, b"three\n") == 8
    store.close()
    assert log.read_bytes() == b"one\ntwo\nthree\n"
    assert log.stat().st_mode & 0o777 == 0o640


def test_a_disk_that_fills_up_within_a_batch_leaves_whole_lines_and_the_same_batch_succeeds_later(
    log: Path,
) -> None:
    store = open_store(log)
    append_lines(store, b"before\n")
    real = os.write

    def write_half(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "write":
            real(arguments[0], b"bat")
            store._file._partial += 3  # what a short write reports
            raise disk_full()

    with intercept_os_calls(write_half), pytest.raises(OSError, match="No space"):
        append_lines(store, b"batch\n", 1)
    assert log.read_bytes() == b"before\n"
    append_lines(store, b"batch\n", 1)
    store.close()
    assert log.read_bytes() == b"before\nbatch\n"
    assert open_store(log).streams.durable == {STREAM: 1}


@pytest.mark.parametrize(
    ("foreign", "what", "expected"),
    [
        (lambda log: append_foreign(log, b"stranger\n"), "appended", b"one\nstranger\ntwo\n"),
        (lambda log: append_foreign(log, b"no end"), "appended", b"one\nno end\ntwo\n"),
        (lambda log: os.truncate(log, 0), "truncated", b"two\n"),
        (lambda log: os.truncate(log, 2), "truncated", b"on\ntwo\n"),
        (lambda log: log.unlink(), "removed", b"two\n"),
    ],
    ids=["echo", "printf", "truncated", "cut in a line", "removed"],
)
def test_whatever_another_program_does_to_the_log_our_lines_stay_whole(
    log: Path, foreign: Callable[[Path], None], what: str, expected: bytes
) -> None:
    metrics = Metrics()
    store = open_store(log, metrics=metrics)
    append_lines(store, b"one\n", 1)
    foreign(log)
    append_lines(store, b"two\n", 2)
    assert log.read_bytes() == expected
    assert metrics.registry.get_sample_value("nodelog_foreign_writes_total", {"what": what}) == 1
    del store
    assert open_store(log).streams.durable == {STREAM: 2}
    assert log.read_bytes() == expected


@pytest.mark.parametrize(
    ("foreign", "what", "expected"),
    [
        (lambda log: append_foreign(log, b"stranger\n"), "appended", b"one\nstranger\ntwo\n"),
        (lambda log: os.truncate(log, 0), "truncated", b"two\n"),
    ],
    ids=["echo", "truncated"],
)
def test_a_change_just_before_our_write_costs_no_line_that_follows_it(
    log: Path, foreign: Callable[[Path], None], what: str, expected: bytes
) -> None:
    metrics = Metrics()
    store = open_store(log, metrics=metrics)
    append_lines(store, b"one\n", 1)
    waiting = [foreign]

    def race(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "write" and bytes(arguments[1]) == b"two\n" and waiting:
            waiting.pop()(log)

    with intercept_os_calls(race):
        append_lines(store, b"two\n", 2)
        store.verify_position()
        store.commits.sync()
    del store
    assert open_store(log).streams.durable == {STREAM: 2}
    assert log.read_bytes() == expected
    assert metrics.registry.get_sample_value("nodelog_foreign_writes_total", {"what": what}) == 1


def test_a_log_that_was_moved_away_stays_unchanged_and_a_new_one_is_created(log: Path) -> None:
    store = open_store(log)
    append_lines(store, b"one\n")
    log.rename(log.with_name("node_log.1"))
    store.tick()
    append_lines(store, b"two\n")
    store.close()
    assert log.with_name("node_log.1").read_bytes() == b"one\n"
    assert log.read_bytes() == b"two\n"


def test_a_log_is_sealed_before_it_exceeds_the_rotate_size(log: Path) -> None:
    store = open_store(log, rotate_size=10)
    for number in range(5):
        append_lines(store, b"line %d\n" % number)
    store.close()
    assert read_sealed(log) == [b"line %d\n" % number for number in range(4)]
    assert log.read_bytes() == b"line 4\n"


def test_an_empty_log_is_not_sealed(log: Path) -> None:
    store = open_store(log)
    store.rotate()
    append_lines(store, b"one\n")
    store.rotate()
    store.rotate()
    store.close()
    assert read_sealed(log) == [b"one\n"]


def test_a_log_is_sealed_at_the_rotate_age_which_counts_across_restarts(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(log)
    append_lines(store, b"one\n")
    store.tick()
    store.close()
    assert read_sealed(log) == []
    now = time.time() + 86_401
    monkeypatch.setattr(time, "time", lambda: now)
    store = open_store(log)
    store.tick()
    store.close()
    assert read_sealed(log) == [b"one\n"]


def test_the_numbers_of_removed_sealed_files_are_not_reused(log: Path) -> None:
    store = open_store(log)
    for _ in range(2):
        append_lines(store, b"one\n")
        store.rotate()
        FileNames.resolve(log).sealed_files()[-1].path.unlink()
    store.close()
    store = open_store(log)
    append_lines(store, b"two\n")
    store.rotate()
    assert [sealed.number for sealed in FileNames.resolve(log).sealed_files()] == [3]


def test_a_rotation_that_a_full_disk_refuses_leaves_the_log_as_it_is(log: Path) -> None:
    store = open_store(log)
    append_lines(store, b"one\n", 1)
    with failing("posix_fallocate", disk_full()):
        store.rotate()
    append_lines(store, b"two\n", 2)
    assert (read_sealed(log), log.read_bytes()) == ([], b"one\ntwo\n")
    store.rotate()
    append_lines(store, b"three\n", 3)
    store.close()
    assert (read_sealed(log), log.read_bytes()) == ([b"one\ntwo\n"], b"three\n")
    assert open_store(log).streams.durable == {STREAM: 3}


def test_a_rotation_that_fails_after_its_renames_continues_where_it_stopped(log: Path) -> None:
    store = open_store(log)
    append_lines(store, b"one\n", 1)
    with failing_once("replace", io_error()), pytest.raises(OSError, match="Input/output"):
        store.rotate()
    assert read_sealed(log) == [b"one\n"]
    append_lines(store, b"two\n", 2)
    store.close()
    assert (read_sealed(log), log.read_bytes()) == ([b"one\n"], b"two\n")
    assert open_store(log).streams.durable == {STREAM: 2}


def test_after_a_failed_sync_held_batches_are_written_again_and_stored_once(log: Path) -> None:
    store = open_store(log)
    append_lines(store, b"lines alone\n")
    start = append_lines(store, b"one\n", 1)
    append_lines(store, b"two\n", 2)
    with failing_once("fdatasync", io_error()), pytest.raises(SyncError):
        store.commits.sync()
    store.restart_in_new_file(start)
    assert store.streams.durable == {}
    append_lines(store, b"one\n", 1)
    append_lines(store, b"two\n", 2)
    store.commits.sync()
    assert store.streams.durable == {STREAM: 2}
    assert (read_sealed(log), log.read_bytes()) == ([b"lines alone\n"], b"one\ntwo\n")


def test_after_a_failed_sync_a_file_that_becomes_empty_is_not_sealed(log: Path) -> None:
    store = open_store(log)
    append_lines(store, b"one\n", 1)
    with failing_once("fdatasync", io_error()), pytest.raises(SyncError):
        store.commits.sync()
    store.restart_in_new_file(0)
    append_lines(store, b"one\n", 1)
    store.close()
    assert (read_sealed(log), log.read_bytes()) == ([], b"one\n")


def test_an_interrupted_rotation_keeps_its_blocks_even_if_the_sealed_file_is_gone(log: Path) -> None:
    store = open_store(log)
    append_lines(store, b"one\n", 1)
    append_lines(store, b"two\n", 2)
    with failing_once("replace", io_error()), pytest.raises(OSError, match="Input/output"):
        store.rotate()
    FileNames.resolve(log).sealed_files()[0].path.unlink()  # as if it was compressed meanwhile
    assert open_store(log).streams.durable == {STREAM: 2}
