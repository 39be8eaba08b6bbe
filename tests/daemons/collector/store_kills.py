"""Kill a process that writes a store with `kill -9`: before, or in the middle of, each of its system calls.

The next process recovers the store and may be killed as well, as may its recovery. In the end all files
together contain every block once and complete, and every foreign line that can be there.

`python -m tests.daemons.collector.store_kills WORKLOAD` does this for one workload and prints before how many
calls it killed. It runs in a small process of its own: to fork the process of all tests would take longer
than everything else.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from tests.faults.os_calls import intercept_os_calls

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.store import journal_file
from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.log_store import LogStore, StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable

STREAM = b"stream number 1."
STREAMS = [b"stream number %d." % number for number in range(2, 5)]
BLOCKS = 12


def block(number: int) -> bytes:
    return b"".join(b"block %d line %d\n" % (number, line) for line in range(3))


def send_blocks(
    store: LogStore, on_acked: Callable[[int], None], interfere: Callable[[int], None] = lambda _: None
) -> None:
    """Write blocks like a client: start after the last stored block, and drop what is acknowledged."""
    first = store.streams.durable.get(STREAM, 0) + 1
    for number in range(first, BLOCKS + 1):
        store.append(memoryview(block(number)), {STREAM: number})
        interfere(number)
        store.verify_position()
        if number % 2 == 0:
            store.commits.sync()
            on_acked(number)
        if number == BLOCKS // 2:
            store.rotate()


def send_amid_foreign_changes(store: LogStore, on_acked: Callable[[int], None]) -> None:
    """Do the same while another program appends to the log and moves it away."""
    log = store.names.log

    def interfere(number: int) -> None:
        if number in {3, 8}:
            with log.open("ab") as file:
                file.write(b"stranger %d\n" % number)
        if number == 5:
            shutil.move(log, log.with_name("elsewhere.log"))
            store.tick()

    send_blocks(store, on_acked, interfere)


def send_over_failed_syncs(store: LogStore, on_acked: Callable[[int], None]) -> None:
    """Do the same while syncs fail: held batches are cut off and written again into a new file."""
    for number in range(store.streams.durable.get(STREAM, 0) + 1, BLOCKS + 1, 2):
        written = []
        for each in range(number, min(number + 2, BLOCKS + 1)):
            start = store.append(memoryview(block(each)), {STREAM: each})
            written.append((each, store.commits.last_written, start))
        held = [(each, start) for each, batch, start in written if batch > store.commits.last_synced]
        if number % 3 == 0:
            store.restart_in_new_file(held[0][1])
            for each, _ in held:
                store.append(memoryview(block(each)), {STREAM: each})
        store.verify_position()
        store.commits.sync()
        on_acked(written[-1][0])


def send_with_journals_in_place(store: LogStore, on_acked: Callable[[int], None]) -> None:
    """Do the same amid foreign changes where no file can be created for a new journal."""

    def refuse(*_: Path, **__: int) -> NoReturn:
        raise PermissionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_file, "publish_atomically", refuse)
        send_amid_foreign_changes(store, on_acked)


def send_in_streams(store: LogStore, on_acked: Callable[[int], None]) -> None:
    """Do the same with blocks of several streams per batch, probes, and batches without lines."""
    done = {each: store.streams.durable.get(each, 0) for each in [STREAM, *STREAMS]}
    for number in range(1, BLOCKS + 1):
        own = STREAMS[number % len(STREAMS)]
        last_blocks = {each: number for each in (own, STREAM) if done[each] < number}
        data = b"".join(lines_of(each, number) for each in last_blocks)
        store.append(memoryview(data), last_blocks, is_awaited=True)
        store.append(memoryview(b""), {}, is_awaited=True)  # a client opened or closed
        store.verify_position()
        if number % 3 == 0:
            store.commits.sync()
            on_acked(number)
        if number % 5 == 0:
            store.rotate()
        if number == BLOCKS:
            store.append(memoryview(b""), {STREAMS[1]: BLOCKS + 1})  # a probe: a block without bytes
            store.streams.forget(STREAMS[2])


def lines_of(stream: bytes, number: int) -> bytes:
    """Return a block of a stream; a block of STREAM is the same in all workloads."""
    return block(number) if stream == STREAM else b"of %b %d\n" % (stream, number)


def run_and_kill(directory: Path, workload: Callable[..., None], kill_at: int) -> tuple[bool, int]:
    """Run a store, kill it at its n-th call; return if it was killed, and its last acknowledged block."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        calls = 0
        acknowledge, write_at = os.write, os.pwrite

        def count(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal calls
            calls += 1
            if calls < kill_at:
                return
            if name == "write":  # a kill may interrupt it anywhere
                acknowledge(arguments[0], arguments[1][: len(arguments[1]) // 2])
            elif name == "pwrite":
                write_at(arguments[0], arguments[1][: len(arguments[1]) // 2], arguments[2])
            os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            with intercept_os_calls(count):
                run_to_end(directory, workload, lambda number: acknowledge(write, bytes([number])))
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        acked = max(pipe.read(), default=0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status), acked


def run_to_end(
    directory: Path, workload: Callable[..., None], on_acked: Callable[[int], object] = lambda _: None
) -> None:
    """Run a store until it is closed."""
    store = LogStore(FileNames.resolve(directory / "node_log"), StoreSettings(rotate_size=200), Metrics())
    workload(store, on_acked)
    store.close()


def contents(directory: Path) -> bytes:
    """Return everything in the log, from the oldest file to the active one."""
    names = FileNames.resolve(directory / "node_log")
    sealed = [file.path for file in names.sealed_files() if file.is_plain]
    moved = directory / "elsewhere.log"
    stored = b"".join(path.read_bytes() for path in [*sealed, *([moved] if moved.exists() else [])])
    return stored + names.log.read_bytes()


def block_lines() -> list[bytes]:
    return b"".join(map(block, range(1, BLOCKS + 1))).splitlines(keepends=True)


def kill_before_each_call(directory: Path, workload: Callable[..., None]) -> int:
    """Kill the process of a workload at each call, and perhaps its successor; return the number of calls."""
    dice = random.Random(20)  # noqa: S311 (chooses where the second process is killed)
    was_killed, calls = True, 0
    while was_killed:
        calls += 1
        place = directory / str(calls)
        place.mkdir()
        was_killed, acked = run_and_kill(place, workload, calls)
        _, again = run_and_kill(place, workload, dice.randrange(1, 40))
        run_to_end(place, workload)
        found = contents(place)
        lines = found.splitlines(keepends=True)
        own = [line for line in lines if line.startswith(b"block")]
        assert sorted(own) == sorted(block_lines()), (
            f"killed before call {calls}, {acked} and {again} acknowledged"
        )
        foreign = [line for line in lines if line.startswith(b"stranger")]
        assert len(own) + len(foreign) == len(lines), f"killed before call {calls}: {found!r}"
        if workload is send_blocks:
            assert own == block_lines(), f"killed before call {calls}: out of order"
        shutil.rmtree(place)
    return calls


def kill_in_streams(directory: Path, workload: Callable[..., None]) -> int:
    """Do the same to a workload of several streams, whose batches must stay complete."""
    was_killed, calls = True, 0
    expected = sorted(
        [*block_lines(), *(lines_of(STREAMS[n % 3], n) for n in range(1, BLOCKS + 1))],
    )
    while was_killed:
        calls += 1
        place = directory / str(calls)
        place.mkdir()
        was_killed, acked = run_and_kill(place, workload, calls)
        if was_killed:  # a stream that ended cleanly is forgotten and would start over
            run_to_end(place, workload)
        found = sorted(contents(place).splitlines(keepends=True))
        assert found == expected, f"killed before call {calls}, {acked} acknowledged"
        shutil.rmtree(place)
    return calls


WORKLOADS = (
    send_blocks,
    send_amid_foreign_changes,
    send_over_failed_syncs,
    send_with_journals_in_place,
    send_in_streams,
)


def main() -> None:
    """Run the workload named on the command line, in /dev/shm if it exists.

    A kill does not need a disk, 10,000 syncs need not be slow, and as many journals need not be large.
    """
    workload = next(workload for workload in WORKLOADS if workload.__name__ == sys.argv[1])
    kill = kill_in_streams if workload is send_in_streams else kill_before_each_call
    journal_file.JOURNAL_SIZE = 16 * 1024
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        sys.stdout.write(f"{kill(Path(directory), workload)}\n")


if __name__ == "__main__":
    main()
