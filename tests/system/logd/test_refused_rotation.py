from __future__ import annotations

import signal
import stat
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.faults.mounts import disk_in_memory, mounted_over
from tests.numbered_lines import LineSender, assert_each_line_once, sealed_files
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.processes.logd import Logd, StartLogd

LINES = 5000  # more than 64 KiB


@pytest.fixture
def mounted_file(tmp_path: Path) -> Generator[Path]:
    """Mount a file from elsewhere as the log. Request it before `logd`, which must end first."""
    log, host = tmp_path / "node_log", tmp_path / "host.log"
    log.touch()
    host.touch()
    with mounted_over(host, log):
        yield log


@pytest.fixture
def few_inodes(tmp_path: Path) -> Generator[Path]:
    """Mount a file system for 40 files. Request it before `logd`, which must end first."""
    with disk_in_memory(tmp_path / "small", 200 * 1024**2, "nr_inodes=40") as disk:
        yield disk.path


def degraded(collector: Logd) -> str:
    status, page = collector.readyz()
    assert status == 200
    return str(page.get("degraded", {}).get("rotation", ""))


def send(collector: Logd, name: str) -> None:
    with LineSender(collector, name, lines=LINES) as load:
        load.join()


def test_a_log_that_is_a_mounted_file_goes_on_in_it_and_loses_nothing(
    mounted_file: Path, logd: StartLogd
) -> None:
    collector = logd("--rotate-size=64KiB", log=mounted_file)
    send(collector, "a")
    wait_for(lambda: "mount the directory of the log instead" in degraded(collector))
    assert f"cannot rename {mounted_file}" in degraded(collector)
    collector.signal(signal.SIGHUP)
    send(collector, "b")
    assert collector.stop() == 0
    assert len(collector.records("cannot rename")) == 1
    assert_each_line_once(mounted_file, {"a": LINES, "b": LINES})
    assert sealed_files(mounted_file) == []
    collector.restart()
    assert collector.stop() == 0


def test_without_a_free_inode_the_log_goes_on_and_is_sealed_once_there_is_one(
    few_inodes: Path, logd: StartLogd
) -> None:
    collector = logd("--rotate-size=64KiB", log=few_inodes / "node_log")
    with ExitStack() as stack:
        made = [few_inodes / f"other {number}" for number in range(100)]
        for path in made:
            try:
                path.touch()
            except OSError:
                break
            stack.callback(path.unlink)
        send(collector, "a")
        wait_for(lambda: "0 inodes are free" in degraded(collector))
    collector.signal(signal.SIGHUP)
    wait_for(lambda: not degraded(collector))
    wait_for(lambda: sealed_files(collector.log))
    assert collector.stop() == 0
    assert_each_line_once(collector.log, {"a": LINES})


def test_sealed_files_are_removed_for_the_inodes_they_take(few_inodes: Path, logd: StartLogd) -> None:
    collector = logd("--rotate-size=64KiB", "--keep-free=1%", log=few_inodes / "node_log")
    for count in range(1, 4):
        collector.send(b"line\n")
        collector.signal(signal.SIGHUP)
        wait_for(lambda count=count: collector.metric("nodelog_compressed_files_total") == count)  # type: ignore[misc]
    for number in range(100):
        try:
            (few_inodes / f"other {number}").touch()
        except OSError:
            break
    collector.restart()
    assert len(collector.records("removed by --keep-free")) == 3
    assert collector.stop() == 0


def test_a_limit_of_file_sizes_seals_the_log_in_time(logd: StartLogd) -> None:
    collector = logd(prefix=["prlimit", f"--fsize={8 * 1024**2}"])
    with LineSender(collector, "a", lines=100_000, noisy=True) as load:
        load.join()
    assert collector.stop() == 0
    assert collector.records("cannot") == []
    assert len(sealed_files(collector.log)) >= 1
    assert_each_line_once(collector.log, {"a": 100_000})


def test_mode_and_group_stay_through_rotation_and_compression(logd: StartLogd, tmp_path: Path) -> None:
    log = tmp_path / "node_log"
    log.touch()
    log.chmod(0o664)
    collector = logd("--mode=0664", log=log)
    before = log.stat()
    collector.send(b"line\n")
    collector.signal(signal.SIGHUP)
    wait_for(lambda: collector.metric("nodelog_compressed_files_total") == 1)
    assert collector.stop() == 0
    for path in (log, *sealed_files(log)):
        status = path.stat()
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o664, before.st_gid)
