from __future__ import annotations

import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.processes.logd import LOGD
from tests.waiting import wait_for

from nodelogd.collector.store.file_names import FileNames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.mounts import SmallDisk
    from tests.processes.logd import Logd, StartLogd


def error_at_exit(collector: Logd) -> str:
    """Wait for exit code 1 and return the only error that was logged."""
    assert collector.wait() == 1
    assert not any("Traceback" in line for line in collector.stderr)
    (record,) = (record for record in collector.records() if record["level"] == "error")
    return str(record["message"])


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_is_followed_and_all_files_are_beside_its_target(
    logd: StartLogd, tmp_path: Path, *, exists: bool
) -> None:
    store, link = tmp_path / "store", tmp_path / "var" / "node_log"
    store.mkdir()
    link.parent.mkdir()
    link.symlink_to(store / "lines")
    if exists:
        (store / "lines").write_bytes(b"before\n")
    collector = logd(log=link)
    collector.send(b"first\n")
    collector.wait_for_text("first\n")
    collector.signal(signal.SIGHUP)
    wait_for(lambda: collector.metric("nodelog_compressed_files_total") == 1)
    collector.send(b"second\n")
    collector.wait_for_text("second\n")
    assert collector.stop() == 0
    assert [path.name for path in link.parent.iterdir()] == ["node_log"]
    assert link.is_symlink()
    assert link.read_bytes() == (store / "lines").read_bytes() == b"second\n"
    (sealed,) = FileNames.resolve(store / "lines").sealed_files()
    assert subprocess.check_output(["zcat", sealed.path]) == (b"before\n" if exists else b"") + b"first\n"


def test_a_second_logd_waits_for_the_first_then_names_it_and_exits(logd: StartLogd) -> None:
    first = logd()
    second = logd("--grace=1s", ready=False)
    wait_for(lambda: "is held by" in second.readyz()[1]["reasons"].get("start", ""))
    assert f"is held by process {first.pid} on " in error_at_exit(second)
    first.send(b"still here\n")
    first.wait_for_text("still here\n")
    assert first.stop() == 0


def test_a_second_logd_starts_once_the_first_has_ended(logd: StartLogd) -> None:
    first = logd()
    first.send(b"of the first\n")
    second = logd(ready=False)
    wait_for(lambda: second.records("is held by"))
    assert first.stop() == 0
    second.wait_ready()
    second.send(b"of the second\n")
    second.wait_for_text("of the first\nof the second\n")
    assert second.stop() == 0


def test_a_second_logd_that_waits_exits_on_sigterm(logd: StartLogd) -> None:
    first = logd()
    second = logd(ready=False)
    wait_for(lambda: second.records("is held by"))
    assert second.stop() == 1
    assert first.stop() == 0


def missing(tmp_path: Path) -> Path:
    return tmp_path / "nowhere" / "node_log"


def below_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file" / "node_log"


def loop_of_links(tmp_path: Path) -> Path:
    (tmp_path / "node_log").symlink_to(tmp_path / "node_log")
    return tmp_path / "node_log"


@pytest.mark.parametrize(
    ("make_path", "reason"),
    [
        (missing, "No such file or directory"),
        (below_a_file, "Not a directory"),
        (loop_of_links, "Too many levels of symbolic links"),
    ],
)
def test_a_path_that_only_an_operator_can_fix_is_one_error_and_exit_code_1(
    logd: StartLogd, tmp_path: Path, make_path: Callable[[Path], Path], reason: str
) -> None:
    (tmp_path / "store").mkdir()
    log = make_path(tmp_path / "store")
    before = sorted(tmp_path.rglob("*"))
    message = error_at_exit(logd(log=log, ready=False))
    assert reason in message
    assert "--log" in message
    assert sorted(tmp_path.rglob("*")) == before


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    return str(folder / "pipe")


def link_to_a_pipe(folder: Path) -> str:
    (folder / "link").symlink_to(pipe(folder))
    return str(folder / "link")


def bound_socket(folder: Path) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(folder / "socket"))
    return str(folder / "socket")


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (pipe, "a pipe"),
        (link_to_a_pipe, "a pipe"),
        (bound_socket, "a socket"),
        (str, "a directory"),
        (lambda _: "/dev/null", "a device"),
        (lambda _: "/dev/stdout", "a stream of the process"),
        (lambda _: "/dev/fd/2", "a stream of the process"),
        (lambda _: "/proc/self/fd/1", "a stream of the process"),
    ],
    ids=["pipe", "link", "socket", "directory", "null", "stdout", "descriptor", "proc"],
)
def test_a_log_that_is_no_file_is_refused_in_one_line_with_exit_2(
    tmp_path: Path, place: Callable[[Path], str], kind: str
) -> None:
    log = place(tmp_path)
    there = sorted(tmp_path.rglob("*"))
    done = subprocess.run([LOGD, "--log", log], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"logd: --log: {log!r} is {kind}, and lines are kept in a file")
    assert sorted(tmp_path.rglob("*")) == there


def test_a_read_only_file_system_is_one_error_and_exit_code_1(small_disk: SmallDisk, logd: StartLogd) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk.path], check=True)
    message = error_at_exit(logd(log=small_disk.path / "node_log", ready=False))
    assert "Read-only file system" in message
    assert "--log" in message
