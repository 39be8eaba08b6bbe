from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.store_harness import (
    STREAM,
    append_foreign,
    append_lines,
    disk_full,
    failing_once,
    open_store,
)

from nodelogd.collector.store import log_store as store_module
from nodelogd.collector.store.file_names import FileNames

if TYPE_CHECKING:
    from pathlib import Path


def test_a_start_restores_the_last_block_of_every_stream(log: Path) -> None:
    store = open_store(log)
    append_lines(store, b"one\n", 1)
    append_lines(store, b"two\n", 2)
    assert store.streams.durable == {}  # not durable yet
    store.close()
    assert open_store(log).streams.durable == {STREAM: 2}


def test_a_record_that_could_not_be_written_is_retried_in_the_same_place(log: Path) -> None:
    store = open_store(log)
    with failing_once("pwrite", disk_full()), pytest.raises(OSError, match="No space"):
        append_lines(store, b"one\n", 1)
    append_lines(store, b"one\n", 1)
    del store  # as after a kill
    assert open_store(log).streams.durable == {STREAM: 1}


def test_a_full_journal_is_restarted_and_loses_nothing(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodelogd.collector.store.journal_file.JOURNAL_SIZE", 1000)
    store = open_store(log)
    for number in range(1, 101):
        append_lines(store, b"line %d\n" % number, number)
    assert FileNames.resolve(log).journal.stat().st_size < 2000
    del store
    assert open_store(log).streams.durable == {STREAM: 100}
    assert log.read_bytes().count(b"\n") == 100


def test_what_another_thread_synced_counts_as_durable(log: Path) -> None:
    store = open_store(log)
    append_lines(store, b"one\n", 1)
    job = store.commits.sync_job()
    assert job is not None
    append_lines(store, b"two\n", 2)
    store.commits.note_synced(job)
    assert store.streams.durable == {STREAM: 1}
    assert (store.commits.last_synced, store.commits.last_written) == (job.number, job.number + 1)
    store.rotate()
    store.commits.note_synced(job)  # for a file that is no longer active: ignored
    assert store.streams.durable == {STREAM: 2}
    assert store.commits.sync_job() is None
    for fd in (job.file, job.journal):
        os.close(fd)


def test_bytes_behind_a_clean_end_are_foreign_and_stay(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(log)
    append_lines(store, b"one\n")
    store.close()
    append_foreign(log, b"stranger\n")
    monkeypatch.setattr(store_module, "boot_id", lambda: b"after a reboot..")
    open_store(log).close()
    assert log.read_bytes() == b"one\nstranger\n"


def test_a_large_stream_table_survives(log: Path) -> None:
    store = open_store(log)
    streams = {number.to_bytes(16, "little"): number for number in range(100_000)}
    store.append(memoryview(b"one\n"), streams)
    store.close()
    assert open_store(log).streams.durable == streams
