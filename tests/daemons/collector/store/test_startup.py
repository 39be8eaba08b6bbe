from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.os_calls import intercept_os_calls

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.journal_format import decode
from nodelogd.collector.store.log_store import LogStore, StoreSettings

if TYPE_CHECKING:
    from pathlib import Path

STREAM = b"stream number 1."


def open_store(log: Path, metrics: Metrics | None = None) -> LogStore:
    return LogStore(FileNames.resolve(log), StoreSettings(), metrics or Metrics())


def write_and_die(log: Path, *batches: bytes) -> None:
    """Leave the files of a killed collector that wrote these batches."""
    store = open_store(log)
    for number, batch in enumerate(batches, start=1):
        store.append(memoryview(batch), {STREAM: number})


def torn(log: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(log.parent.glob("node_log.torn-*"))]


def results(metrics: Metrics) -> dict[str, float]:
    samples = [sample for metric in metrics.recoveries.collect() for sample in metric.samples]
    return {sample.labels["result"]: sample.value for sample in samples if sample.name.endswith("_total")}


def test_a_first_start_needs_no_files(log: Path) -> None:
    assert open_store(log).streams.durable == {}
    assert log.read_bytes() == b""


def test_an_incomplete_batch_is_cut_off_and_kept_in_a_torn_file(log: Path) -> None:
    write_and_die(log, b"one\n", b"two\nthree\n")
    os.truncate(log, 9)
    metrics = Metrics()
    assert open_store(log, metrics).streams.durable == {STREAM: 1}
    assert (log.read_bytes(), torn(log)) == (b"one\n", [b"two\nt"])
    assert results(metrics) == {"cut": 1}


def test_a_torn_end_that_cannot_be_kept_is_not_cut(log: Path) -> None:
    write_and_die(log, b"one\n", b"two\nthree\n")
    os.truncate(log, 9)

    def fail(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open" and ".torn-" in str(arguments[0]):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with intercept_os_calls(fail), pytest.raises(OSError, match="No space"):
        open_store(log)
    assert log.read_bytes() == b"one\ntwo\nt"
    open_store(log)
    assert (log.read_bytes(), torn(log)) == (b"one\n", [b"two\nt"])


def test_an_unfinished_foreign_line_is_cut_off_and_kept_in_a_torn_file(log: Path) -> None:
    write_and_die(log, b"one\n")
    with log.open("ab") as file:
        file.write(b"stranger\nunfin")
    assert open_store(log).streams.durable == {STREAM: 1}
    assert (log.read_bytes(), torn(log)) == (b"one\nstranger\n", [b"unfin"])


@pytest.mark.parametrize("journal", [b"", b"garbage" * 100, b"nodelog\0\x09\x00" + bytes(200)])
def test_an_unusable_journal_is_set_aside_and_the_log_stays(log: Path, journal: bytes) -> None:
    write_and_die(log, b"one\n", b"two\n")
    names = FileNames.resolve(log)
    names.journal.write_bytes(journal)
    with log.open("ab") as file:
        file.write(b"torn")
    assert open_store(log).streams.durable == {}
    assert (log.read_bytes(), torn(log)) == (b"one\ntwo\n", [b"torn"])
    assert [path.read_bytes() for path in log.parent.glob(".node_log.journal-*")] == [journal]


def test_a_log_replaced_while_the_collector_was_down_is_used_as_it_is(log: Path) -> None:
    write_and_die(log, b"one\n", b"two\n")
    log.rename(log.with_name("node_log.1"))
    log.write_bytes(b"new\n")
    assert open_store(log).streams.durable == {STREAM: 2}
    assert (log.read_bytes(), torn(log)) == (b"new\n", [])


def test_a_moved_and_torn_log_is_read_in_its_new_place_and_left_unchanged(log: Path) -> None:
    write_and_die(log, b"one\n", b"two\n")
    moved = log.with_name("node_log.1")
    log.rename(moved)
    os.truncate(moved, 6)
    assert open_store(log).streams.durable == {STREAM: 1}
    assert (moved.read_bytes(), log.read_bytes(), torn(log)) == (b"one\ntw", b"", [])


def test_a_foreign_file_that_reuses_the_inode_of_the_log_is_left_unchanged(log: Path) -> None:
    write_and_die(log, b"one\n", b"two\n")
    log.unlink()
    foreign_file = log.with_name("stranger")
    foreign_file.write_bytes(b"of another kind")
    journal = FileNames.resolve(log).journal
    header, records = decode(journal.read_bytes())
    moved = replace(header, inode=foreign_file.stat().st_ino)
    journal.write_bytes(moved.encode() + b"".join(record.encode() for record in records))
    assert open_store(log).streams.durable == {}
    assert (foreign_file.read_bytes(), torn(log)) == (b"of another kind", [])


def test_without_its_file_a_journal_still_shows_what_was_durable(log: Path) -> None:
    store = open_store(log)
    store.append(memoryview(b"one\n"), {STREAM: 1})
    store.commits.sync()
    store.append(memoryview(b"two\n"), {STREAM: 2})
    store.append(memoryview(b"three\n"), {STREAM: 3})
    log.unlink()
    metrics = Metrics()
    assert open_store(log, metrics).streams.durable == {STREAM: 1}
    assert results(metrics) == {"moved": 1}


def test_a_rotation_interrupted_between_link_and_unlink_is_finished(log: Path) -> None:
    write_and_die(log, b"one\n")
    target = FileNames.resolve(log).sealed_path(1, 0.0)
    os.link(log, target)
    store = open_store(log)
    assert store.streams.durable == {STREAM: 1}
    store.append(memoryview(b"two\n"), {STREAM: 2})
    assert (target.read_bytes(), log.read_bytes()) == (b"one\n", b"two\n")


def test_a_torn_file_and_the_next_sealed_file_get_different_numbers(log: Path) -> None:
    write_and_die(log, b"one\n", b"two\n")
    os.truncate(log, 5)
    store = open_store(log)
    store.rotate()
    numbers = [sealed.number for sealed in FileNames.resolve(log).sealed_files()]
    assert numbers == sorted(set(numbers)) == [1, 2]


def test_a_second_start_changes_nothing(log: Path) -> None:
    write_and_die(log, b"one\n", b"two\nthree\n")
    os.truncate(log, 9)
    first = open_store(log).streams.durable
    assert open_store(log).streams.durable == first
    assert (log.read_bytes(), torn(log)) == (b"one\n", [b"two\nt"])
