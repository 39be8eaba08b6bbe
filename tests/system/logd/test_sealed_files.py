from __future__ import annotations

import gzip
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.numbered_lines import line
from tests.waiting import wait_for

from nodelogd.collector.store.file_names import FileNames

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.processes.logd import Logd, StartLogd

MIB = 1024 * 1024
REASONS = ["keep-bytes", "keep-count", "keep-age", "keep-free"]
LARGE = 24 * MIB  # bytes; gzip runs long enough to be stopped during its work


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store" / "node_log"


def leave_sealed(log: Path, number: int, data: bytes, age: float = 0.0) -> Path:
    """Create a sealed file like one of an earlier logd, `age` seconds old."""
    then = time.time() - age
    path = FileNames.resolve(log).sealed_path(number, then)
    path.write_bytes(data)
    os.utime(path, (then, then))
    return path


def noise(size: int) -> bytes:
    """Return lines that hardly compress."""
    return os.urandom(size // 65 * 32).hex("\n", 32).encode() + b"\n"


def sealed_numbers(log: Path) -> list[int]:
    return [sealed.number for sealed in FileNames.resolve(log).sealed_files()]


def temporary_files(log: Path) -> list[Path]:
    return list(log.parent.glob(".*.tmp-*"))


def child_of(collector: Logd) -> int | None:
    tasks = Path(f"/proc/{collector.pid}/task").glob("*/children")
    children = " ".join(path.read_text() for path in tasks).split()
    return int(children[0]) if children else None


@pytest.fixture
def stopped_at_gzip(logd: StartLogd, log: Path) -> Generator[tuple[Logd, int, bytes]]:
    """Yield a logd whose gzip child is stopped during its work, the child's PID, and its input."""
    data = noise(LARGE)
    leave_sealed(log, 1, data)
    collector = logd(log=log)
    wait_for(
        lambda: any(path.stat().st_size for path in temporary_files(log)), "a gzip child has begun to write"
    )
    child = child_of(collector)
    assert child is not None
    os.kill(child, signal.SIGSTOP)
    try:
        assert temporary_files(log)
        yield collector, child, data
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def assert_compressed(log: Path, data: bytes) -> None:
    wait_for(lambda: not list(log.parent.glob("*.log")), "the sealed file is compressed")
    (sealed,) = FileNames.resolve(log).sealed_files()
    assert gzip.decompress(sealed.path.read_bytes()) == data
    assert temporary_files(log) == []


def test_kill_9_of_logd_and_its_gzip_child_loses_nothing_and_leaves_nothing(
    stopped_at_gzip: tuple[Logd, int, bytes],
) -> None:
    collector, child, data = stopped_at_gzip
    os.kill(child, signal.SIGKILL)
    collector.kill()
    assert temporary_files(collector.log)
    collector.restart()
    assert_compressed(collector.log, data)


def test_a_gzip_child_that_outlives_its_logd_does_no_harm(
    stopped_at_gzip: tuple[Logd, int, bytes],
) -> None:
    collector, child, data = stopped_at_gzip
    collector.kill()
    collector.restart()
    os.kill(child, signal.SIGCONT)
    wait_for(lambda: not Path(f"/proc/{child}").exists(), "the child has ended")
    assert_compressed(collector.log, data)


def test_sigterm_during_compression_keeps_the_uncompressed_file(
    stopped_at_gzip: tuple[Logd, int, bytes],
) -> None:
    collector, child, data = stopped_at_gzip
    collector.signal(signal.SIGTERM)
    os.kill(child, signal.SIGCONT)
    assert collector.wait() == 0
    (sealed,) = FileNames.resolve(collector.log).sealed_files()
    assert sealed.path.read_bytes() == data
    assert temporary_files(collector.log) == []


@pytest.mark.parametrize("damage", ["none", "cut", "changed"])
def test_a_file_beside_its_compressed_copy_ends_as_one_file_with_all_lines(
    logd: StartLogd, log: Path, damage: str
) -> None:
    data = noise(MIB)
    path = leave_sealed(log, 1, data)
    compressed = gzip.compress(data)
    content = {
        "none": compressed,
        "cut": compressed[:-1000],
        "changed": compressed[:5000] + bytes(10) + compressed[5010:],
    }[damage]
    path.with_name(f"{path.name}.gz").write_bytes(content)
    collector = logd(log=log)
    assert_compressed(log, data)
    assert collector.stop() == 0
    assert collector.records("cannot") == []


@pytest.mark.parametrize(
    ("option", "kept"),
    [
        ("--keep-count=2", [5, 6]),
        ("--keep-bytes=3100KiB", [4, 5, 6]),
        ("--keep-age=2500s", [4, 5, 6]),
        ("--keep-age=1s", [4, 5, 6]),  # never the newest three
        ("--keep-count=off", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_startup_enforces_the_budget(logd: StartLogd, log: Path, option: str, kept: list[int]) -> None:
    for number in range(1, 7):
        leave_sealed(log, number, noise(MIB), age=1000 * (7 - number))
    collector = logd(option, log=log)
    assert sealed_numbers(log) == kept
    assert sum(collector.metric("nodelog_removed_files_total", reason=r) for r in REASONS) == 6 - len(kept)
    collector.send(line("a", 0))
    collector.signal(signal.SIGHUP)
    wait_for(lambda: 7 in sealed_numbers(log))
    assert collector.stop() == 0


def test_a_limit_of_files_is_enforced_while_running(logd: StartLogd, log: Path) -> None:
    collector = logd("--keep-count=2", log=log)
    for number in range(1, 5):
        collector.send(line("a", number))
        collector.signal(signal.SIGHUP)
        wait_for(lambda number=number: sealed_numbers(log)[-1:] == [number])  # type: ignore[misc]  # mypy on defaults
    wait_for(lambda: sealed_numbers(log) == [3, 4])
    wait_for(lambda: collector.metric("nodelog_sealed_files") == 2)
