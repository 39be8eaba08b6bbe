"""A process that writes a store is killed with `kill -9`: before each of its system calls, or in the middle.

The next one recovers, as does the one after it, which may be killed in its recovery, too. In the end all
files together hold every block once and whole, and every line of somebody else that could be there.

`python -m tests.daemons.collector.killing WORK` does it for one kind of work, and says before how many
calls. In a process of its own, and a small one: to fork that of all the tests takes longer than all the rest.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    """Do what a client does: begin behind what the collector has, and forget what it acknowledges."""
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


def send_among_strangers(store: LogStore, on_acked: Callable[[int], None]) -> None:
    """Do the same while somebody else appends to the log, moves it away and removes what was moved."""
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
    """Do the same while syncs fail: what is held is cut off and written once more into a new file."""
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


def send_in_streams(store: LogStore, on_acked: Callable[[int], None]) -> None:
    """Do the same with blocks of several streams in a batch, probes, and batches of answers alone."""
    done = {each: store.streams.durable.get(each, 0) for each in [STREAM, *STREAMS]}
    for number in range(1, BLOCKS + 1):
        own = STREAMS[number % len(STREAMS)]
        last_blocks = {each: number for each in (own, STREAM) if done[each] < number}
        data = b"".join(lines_of(each, number) for each in last_blocks)
        store.append(memoryview(data), last_blocks, is_awaited=True)
        store.append(memoryview(b""), {}, is_awaited=True)  # somebody opened, or closed
        store.verify_position()
        if number % 3 == 0:
            store.commits.sync()
            on_acked(number)
        if number % 5 == 0:
            store.rotate()
        if number == BLOCKS:
            store.append(memoryview(b""), {STREAMS[1]: BLOCKS + 1})  # a probe
            store.streams.forget(STREAMS[2])


def lines_of(stream: bytes, number: int) -> bytes:
    """Give a block of a stream; those of STREAM are the common ones."""
    return block(number) if stream == STREAM else b"of %b %d\n" % (stream, number)


def live(directory: Path, work: Callable[..., None], die_before: int) -> tuple[bool, int]:
    """Run a store that dies before its n-th call; say whether it did, and what it acknowledged."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        calls = 0
        acknowledge, write_at = os.write, os.pwrite

        def count(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal calls
            calls += 1
            if calls < die_before:
                return
            if name == "write":  # a kill may end it anywhere
                acknowledge(arguments[0], arguments[1][: len(arguments[1]) // 2])
            elif name == "pwrite":
                write_at(arguments[0], arguments[1][: len(arguments[1]) // 2], arguments[2])
            os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            with intercept_os_calls(count):
                end(directory, work, lambda number: acknowledge(write, bytes([number])))
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


def end(
    directory: Path, work: Callable[..., None], on_acked: Callable[[int], object] = lambda _: None
) -> None:
    """Run a store to its end."""
    store = LogStore(FileNames.resolve(directory / "node_log"), StoreSettings(rotate_size=200), Metrics())
    work(store, on_acked)
    store.close()


def contents(directory: Path) -> bytes:
    """Give all that is in the log, from the oldest file to the active one."""
    names = FileNames.resolve(directory / "node_log")
    sealed = [each.path for each in names.sealed_files() if each.is_plain]
    moved = directory / "elsewhere.log"
    whole = b"".join(path.read_bytes() for path in [*sealed, *([moved] if moved.exists() else [])])
    return whole + names.log.read_bytes()


def block_lines() -> list[bytes]:
    return b"".join(map(block, range(1, BLOCKS + 1))).splitlines(keepends=True)


def kill_before_each_call(directory: Path, work: Callable[..., None]) -> int:
    """Kill whoever does this work, and maybe the one after him; give before how many calls."""
    dice = random.Random(20)  # noqa: S311 (chooses where the second one dies)
    died, calls = True, 0
    while died:
        calls += 1
        here = directory / str(calls)
        here.mkdir()
        died, acked = live(here, work, calls)
        _, again = live(here, work, dice.randrange(1, 40))
        end(here, work)
        found = contents(here)
        lines = found.splitlines(keepends=True)
        own = [line for line in lines if line.startswith(b"block")]
        assert sorted(own) == sorted(block_lines()), (
            f"killed before call {calls}, {acked} and {again} acknowledged"
        )
        strangers = [line for line in lines if line.startswith(b"stranger")]
        assert len(own) + len(strangers) == len(lines), f"killed before call {calls}: {found!r}"
        if work is send_blocks:
            assert own == block_lines(), f"killed before call {calls}: out of order"
        shutil.rmtree(here)
    return calls


def kill_in_streams(directory: Path, work: Callable[..., None]) -> int:
    """Do the same to one of several streams, whose batches are to stay together."""
    died, calls = True, 0
    expected = sorted(
        [*block_lines(), *(lines_of(STREAMS[n % 3], n) for n in range(1, BLOCKS + 1))],
    )
    while died:
        calls += 1
        here = directory / str(calls)
        here.mkdir()
        died, acked = live(here, work, calls)
        if died:  # a stream that ended well is forgotten, and would begin anew
            end(here, work)
        found = sorted(contents(here).splitlines(keepends=True))
        assert found == expected, f"killed before call {calls}, {acked} acknowledged"
        shutil.rmtree(here)
    return calls


WORKS = (send_blocks, send_among_strangers, send_over_failed_syncs, send_in_streams)


def main() -> None:
    """Do the work that is named, in memory where there is some.

    A kill does not need a disk, 10,000 syncs do not need to be slow, and as many journals need not be large.
    """
    work = next(work for work in WORKS if work.__name__ == sys.argv[1])
    kill = kill_in_streams if work is send_in_streams else kill_before_each_call
    journal_file.JOURNAL_SIZE = 16 * 1024
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
    with tempfile.TemporaryDirectory(dir=place) as directory:
        sys.stdout.write(f"{kill(Path(directory), work)}\n")


if __name__ == "__main__":
    main()
