from __future__ import annotations

import errno
import gzip
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.reader_harness import metric_value
from tests.waiting import wait_for

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.sealed import retention as retention_module
from nodelogd.collector.sealed.retention import Retention
from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.journal_format import Header
from nodelogd.service.files.disk_budget import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from typing import TypeAlias

    MakeRetention: TypeAlias = Callable[..., Retention]

NO_LIMITS = Budget(max_bytes=None, max_files=None, max_age=None, min_free_share=None)
MOMENT = 1_795_352_400.0


@pytest.fixture
def names(tmp_path: Path) -> FileNames:
    return FileNames(tmp_path / "node_log")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def make_retention(names: FileNames, metrics: Metrics) -> Generator[MakeRetention]:
    """Create retentions that are closed after the test."""
    created: list[Retention] = []

    def make(budget: Budget = NO_LIMITS) -> Retention:
        created.append(Retention(names, budget, metrics))
        return created[-1]

    yield make
    for retention in created:
        retention.close(30)


def write_sealed(names: FileNames, number: int, data: bytes = b"line\n") -> Path:
    path = names.sealed_path(number, MOMENT)
    path.write_bytes(data)
    return path


def write_journal_for(names: FileNames, path: Path) -> None:
    status = path.stat()
    header = Header(
        generation=1, device=status.st_dev, inode=status.st_ino, base=0, first_batch=1,
        last_sealed=0, created_at=0.0, boot_id=bytes(16),
    )  # fmt: skip
    names.journal.write_bytes(header.encode())


def test_what_the_budget_does_not_allow_is_removed_counted_and_logged(
    names: FileNames, metrics: Metrics, make_retention: MakeRetention, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    paths = [write_sealed(names, number) for number in (1, 2, 3)]
    make_retention(Budget(max_files=1, min_free_share=None)).enforce_budget()
    assert [path.exists() for path in paths] == [False, False, True]
    assert metric_value(metrics, "nodelog_removed_files_total", reason="keep-count") == 2
    assert metric_value(metrics, "nodelog_sealed_files") == 1
    assert metric_value(metrics, "nodelog_sealed_bytes") == 5
    assert metric_value(metrics, "nodelog_disk_free_bytes") > 0
    assert caplog.messages == ["removed by --keep-count"] * 2


def test_torn_files_are_removed_in_order_too(names: FileNames, make_retention: MakeRetention) -> None:
    write_sealed(names, 1)
    names.torn_path(2).write_bytes(b"half")
    newest = write_sealed(names, 3)
    make_retention(Budget(max_files=1, min_free_share=None)).enforce_budget()
    assert list(names.directory.iterdir()) == [newest]


def test_a_file_and_its_compressed_form_count_as_one(
    names: FileNames, metrics: Metrics, make_retention: MakeRetention
) -> None:
    plain = write_sealed(names, 1)
    packed = plain.with_name(f"{plain.name}.gz")
    packed.write_bytes(b"12345")
    newest = write_sealed(names, 2)
    make_retention(Budget(max_files=2, min_free_share=None)).enforce_budget()
    assert metric_value(metrics, "nodelog_sealed_files") == 2
    assert metric_value(metrics, "nodelog_sealed_bytes") == 15
    assert plain.exists()
    make_retention(Budget(max_files=1, min_free_share=None)).enforce_budget()
    assert list(names.directory.iterdir()) == [newest]


def test_a_file_that_cannot_be_removed_does_not_protect_others_and_is_logged_once(
    names: FileNames, metrics: Metrics, make_retention: MakeRetention, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = names.sealed_path(1, MOMENT)
    stuck.mkdir()
    other = write_sealed(names, 2)
    retention = make_retention(Budget(max_files=0, min_free_share=None))
    retention.enforce_budget()
    retention.enforce_budget()
    assert not other.exists()
    assert caplog.messages == [f"cannot remove {stuck}: Is a directory; it stays"]
    assert metric_value(metrics, "nodelog_sealed_files") == 1


def test_an_unreadable_directory_is_logged_once_until_it_can_be_read_again(
    names: FileNames, make_retention: MakeRetention, caplog: pytest.LogCaptureFixture
) -> None:
    away = names.directory.with_name("away")
    retention = make_retention(NO_LIMITS)
    for _ in range(2):
        names.directory.rename(away)
        retention.enforce_budget()
        retention.enforce_budget()
        away.rename(names.directory)
        retention.enforce_budget()
    assert len(caplog.messages) == 2
    assert "cannot check the sealed files: [Errno 2] No such file or directory" in caplog.messages[0]


def test_only_sealed_files_are_compressed(
    names: FileNames, metrics: Metrics, make_retention: MakeRetention
) -> None:
    names.log.write_bytes(b"active\n")
    names.torn_path(2).write_bytes(b"half")
    paths = [write_sealed(names, number) for number in (1, 3)]
    make_retention().start()
    wait_for(lambda: metric_value(metrics, "nodelog_compressed_files_total") == 2)
    packed = [gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes()) for path in paths]
    assert packed == [b"line\n"] * 2
    assert names.log.exists()
    assert names.torn_path(2).exists()


def test_wake_checks_immediately(names: FileNames, metrics: Metrics, make_retention: MakeRetention) -> None:
    retention = make_retention()
    retention.start()
    wait_for(lambda: metric_value(metrics, "nodelog_disk_free_bytes") > 0)
    write_sealed(names, 1)
    retention.wake()
    wait_for(lambda: metric_value(metrics, "nodelog_compressed_files_total") == 1)


def test_the_file_that_the_journal_still_describes_is_not_compressed(
    names: FileNames, metrics: Metrics, make_retention: MakeRetention
) -> None:
    in_use, finished = write_sealed(names, 1), write_sealed(names, 2)  # in order of compression
    write_journal_for(names, in_use)
    retention = make_retention()
    retention.start()
    wait_for(lambda: not finished.exists())
    names.log.write_bytes(b"")
    write_journal_for(names, names.log)
    assert in_use.exists()
    retention.wake()
    wait_for(lambda: metric_value(metrics, "nodelog_compressed_files_total") == 2)
    assert not in_use.exists()


def test_a_file_that_cannot_be_compressed_stays_and_is_retried_later(
    names: FileNames, metrics: Metrics, make_retention: MakeRetention, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(retention_module, "RETRY_DELAY", 0.01)
    blocked = write_sealed(names, 1)
    obstacle = blocked.with_name(f"{blocked.name}.gz")
    obstacle.mkdir()
    retention = make_retention()
    retention.start()

    def has_tried(times: int) -> bool:
        retention.wake()
        return len(caplog.messages) >= times

    wait_for(lambda: has_tried(3))
    assert f"cannot compress {blocked}" in caplog.messages[0]
    assert "Is a directory" in caplog.messages[0]
    waits = [message.rpartition("next try in ")[2] for message in caplog.messages[:3]]
    assert waits == ["0.01 s", "0.02 s", "0.04 s"]
    assert blocked.read_bytes() == b"line\n"
    obstacle.rmdir()
    wait_for(lambda: has_tried(0) and metric_value(metrics, "nodelog_compressed_files_total") == 1)


def test_compression_resumes_after_a_process_could_not_be_started(
    names: FileNames, metrics: Metrics, make_retention: MakeRetention, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def fails(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    write_sealed(names, 1)
    retention = make_retention()
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", fails)
        retention.start()
        wait_for(lambda: caplog.messages)
    retention.wake()
    wait_for(lambda: metric_value(metrics, "nodelog_compressed_files_total") == 1)
    assert len(caplog.messages) == 1
    assert "cannot compress sealed files: [Errno 11]" in caplog.messages[0]


def test_the_budget_is_enforced_while_a_large_file_is_compressed(
    names: FileNames, metrics: Metrics, make_retention: MakeRetention, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "CHECK_INTERVAL_COMPRESSING", 0.01)
    with write_sealed(names, 1).open("wb") as file:
        file.truncate(10**11)  # takes minutes to compress
    retention = make_retention(Budget(max_bytes=None, max_files=2, min_free_share=None))
    retention.start()
    wait_for(lambda: list(names.directory.glob(".*.tmp-*")), "the compression is running")
    write_sealed(names, 2)
    write_sealed(names, 3)
    wait_for(lambda: metric_value(metrics, "nodelog_removed_files_total", reason="keep-count") == 1)
    assert list(names.directory.glob(".*.tmp-*"))


def test_close_leaves_a_file_that_is_being_compressed_unchanged(
    names: FileNames, make_retention: MakeRetention, caplog: pytest.LogCaptureFixture
) -> None:
    large = write_sealed(names, 1)
    with large.open("wb") as file:
        file.truncate(10**11)
    retention = make_retention()
    retention.start()
    wait_for(lambda: list(names.directory.glob(".*.tmp-*")), "the compression is running")
    retention.close(30)
    assert list(names.directory.iterdir()) == [large]
    assert caplog.messages == []


def test_close_works_without_a_start(make_retention: MakeRetention) -> None:
    make_retention().close(30)
