"""The worker processes of a load, and what happens when one of them dies."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.client.load.sink import Sink
from tests.waiting import wait_for

if TYPE_CHECKING:
    import socket
    import subprocess
    from collections.abc import Callable

    Start = Callable[..., subprocess.Popen[str]]


def workers(process: subprocess.Popen[str]) -> list[int]:
    """Return the pids of its child processes."""
    return [
        int(number) for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]


def is_sending(sink: Sink) -> bool:
    """Return whether anything has arrived."""
    return sink.bytes > 0


def test_a_worker_that_dies_ends_the_load_with_one_line(start: Start) -> None:
    with Sink() as sink:
        process = start("load", f"--port={sink.port}", "--rate=1000", "--write-size=line", "--processes=2")
        wait_for(lambda: is_sending(sink), "lines arrive")
        os.kill(workers(process)[0], signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith(
        f"nodelog load: cannot send to 127.0.0.1 port {sink.port}: a process of the load ended"
    )
    assert err.count("\n") == 1


def test_a_second_signal_does_not_wait_for_a_collector_that_does_not_read(start: Start) -> None:
    with Sink(read_from_start=False) as sink:
        process = start("load", f"--port={sink.port}", "--connections=2")
        wait_for(lambda: select.select([sink.listener], [], [], 0)[0], "it connects")

        def has_ended() -> bool:
            process.terminate()
            return process.poll() is not None

        wait_for(has_ended, "it has ended", patience=10)
    assert process.returncode in (1, -signal.SIGTERM)  # a third one may come while it exits
    assert process.communicate()[1].count("\n") <= 1


def test_workers_do_not_outlive_the_load(start: Start) -> None:
    with Sink() as sink:
        process = start("load", f"--port={sink.port}", "--rate=1000", "--write-size=line", "--processes=2")
        wait_for(lambda: is_sending(sink), "lines arrive")
        left = workers(process)
        assert len(left) == 2
        process.kill()
        wait_for(lambda: not any(Path(f"/proc/{number}").exists() for number in left), "they have ended")


def test_a_load_reconnects_until_the_collector_is_back(
    start: Start, listen: Callable[[int], socket.socket], collector: socket.socket
) -> None:
    """The first connection is closed; the next attempts are refused until the collector listens again."""
    port = collector.getsockname()[1]
    arguments = ("--connections=1", "--rate=100", "--write-size=line", "--bytes=12800")
    process = start("load", f"--port={port}", "--run=run", *arguments)
    first, _ = collector.accept()
    collector.close()
    assert first.recv(128).startswith(b"<run 128> 0000 0000000000 ")
    first.close()
    again = listen(port)
    second, _ = again.accept()
    with second, second.makefile("rb") as lines:
        received = lines.readlines()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "reconnects: 1\n" in out
    assert received[-1].startswith(b"<run 128> 0000 0000000063 ")


def test_bytes_from_the_collector_are_ignored(start: Start, collector: socket.socket) -> None:
    process = start("load", f"--port={collector.getsockname()[1]}", "--connections=1", "--bytes=1KiB")
    accepted, _ = collector.accept()
    with accepted:
        accepted.sendall(b"welcome\n" * 100)
        assert len(accepted.makefile("rb").read()) == 1024
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "reconnects: 0\n" in out
