"""A log whose file may not grow any more, and one whose mode must stay."""

from __future__ import annotations

import errno
import os
import resource
import stat
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.store_harness import (
    STREAM,
    append_lines,
    failing,
    failing_once,
    open_store,
    read_sealed,
)

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.log_store import LogStore, StoreSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("block", [None, 2])
def test_a_file_that_may_not_grow_is_sealed_and_the_batch_goes_into_a_new_one(
    log: Path, block: int | None
) -> None:
    store = open_store(log)
    append_lines(store, b"one\n", 1)
    with failing_once("write", OSError(errno.EFBIG, os.strerror(errno.EFBIG))):
        append_lines(store, b"two\n", block)
    store.verify_position()
    append_lines(store, b"three\n", 3)
    store.commits.sync()
    assert (read_sealed(log), log.read_bytes()) == ([b"one\n"], b"two\nthree\n")
    del store
    assert open_store(log).streams.durable == {STREAM: 3}
    assert log.read_bytes() == b"two\nthree\n"


def test_a_file_that_may_not_grow_and_cannot_be_sealed_is_an_error_until_it_can(log: Path) -> None:
    store = open_store(log)
    append_lines(store, b"one\n", 1)
    too_large, refused = OSError(errno.EFBIG, "File too large"), OSError(errno.EXDEV, "refused")
    with failing("link", refused), failing("write", too_large), pytest.raises(OSError, match="too large"):
        append_lines(store, b"two\n", 2)
    with failing_once("write", too_large):
        append_lines(store, b"two\n", 2)
    store.close()
    assert (read_sealed(log), log.read_bytes()) == ([b"one\n"], b"two\n")
    assert open_store(log).streams.durable == {STREAM: 2}


def test_a_log_is_sealed_before_it_exceeds_the_limit_of_file_sizes(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, resource.RLIM_INFINITY))
    store = open_store(log)
    append_lines(store, b"line 1\n")
    append_lines(store, b"line 2\n")
    assert (read_sealed(log), log.read_bytes()) == ([b"line 1\n"], b"line 2\n")


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_a_log_keeps_its_mode_whatever_follows_it(log: Path, mode: int) -> None:
    log.touch()
    log.chmod(mode)
    store = open_store(log)
    append_lines(store, b"one\n")
    store.rotate()
    append_lines(store, b"two\n")
    log.rename(log.with_name("moved"))
    store.tick()
    append_lines(store, b"three\n")
    log.unlink()
    append_lines(store, b"four\n")
    files = [path for path in log.parent.iterdir() if not path.name.startswith(".")]
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {mode}


@pytest.mark.parametrize("exists", [False, True])
def test_a_mode_that_is_set_counts_from_the_start(log: Path, *, exists: bool) -> None:
    if exists:
        log.touch(0o600)
    store = LogStore(FileNames.resolve(log), StoreSettings(mode=0o664), Metrics())
    append_lines(store, b"one\n")
    store.rotate()
    for path in (log, FileNames.resolve(log).sealed_files()[0].path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_a_foreign_file_at_the_path_keeps_its_own_mode(log: Path) -> None:
    store = open_store(log)
    append_lines(store, b"one\n")
    log.rename(log.with_name("moved"))
    log.touch()
    log.chmod(0o604)
    store.tick()
    append_lines(store, b"two\n")
    assert (log.read_bytes(), stat.S_IMODE(log.stat().st_mode)) == (b"two\n", 0o604)
