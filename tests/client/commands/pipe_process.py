"""Starts `nodelog pipe` processes, writes to them, reads from them, and fills them."""

import os
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

from tests.processes.logd import Logd, StartLogd
from tests.waiting import wait_for

from nodelog.spool.inspection import inspect_spool

Run = Callable[..., Popen[bytes]]
MEBIBYTE = 1024 * 1024


def pipe_to(run: Run, port: int, *options: object, stdin: int = PIPE) -> Popen[bytes]:
    return run("pipe", "--host=127.0.0.1", f"--port={port}", *options, stdin=stdin)


def start_collector(logd: StartLogd, port: int) -> Logd:
    """Start the collector at this port."""
    return logd(f"--listen=127.0.0.1:{port}")


def lines_of(count: int, prefix: str = "line") -> bytes:
    return b"".join(b"%s %07d\n" % (prefix.encode(), number) for number in range(count))


def write(process: Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)


def read_line(process: Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def fill(process: Popen[bytes], data: bytes) -> bytes:
    """Write until the pipe is full; return what is left. A spool of 1 MiB is full then."""
    assert process.stdin is not None
    stdin, rest = process.stdin, memoryview(data)
    os.set_blocking(stdin.fileno(), False)

    def is_stuck() -> bool:
        nonlocal rest
        size: int | None = stdin.write(rest)  # None: it would block
        rest = rest[size or 0 :]
        return size is None and len(data) - len(rest) > MEBIBYTE

    wait_for(is_stuck)
    os.set_blocking(stdin.fileno(), True)
    return bytes(rest)


def lines_in(spool: Path) -> int:
    return sum(stream.lines for stream in inspect_spool(spool).streams)


def send_rest(run: Run, logd: Logd, spool: Path) -> None:
    """Send what an earlier process left."""
    last = pipe_to(run, logd.port, f"--spool={spool}", stdin=DEVNULL)
    _, err = last.communicate(timeout=30)
    assert (last.returncode, err) == (0, b"")


def wait_for_lines(logd: Logd, count: int) -> None:
    wait_for(lambda: logd.log.read_bytes().count(b"\n") == count, f"{count} lines in the log")
