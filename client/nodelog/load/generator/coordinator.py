"""The coordinator of a load: starts the worker processes together, collects their reports, and ends them."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from nodelog.load.generator.cpu_usage import read_cpu_times
from nodelog.load.generator.sender import Progress
from nodelog.load.generator.worker import WorkerResult

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from nodelog.load.generator.settings import Settings

    Worker = subprocess.Popen[bytes]

_START_DELAY: Final = 20_000_000
"""Nanoseconds from the start command to the start, so that all workers have read it by then."""
_SAMPLE_SECONDS: Final = 0.09
"""Seconds between two samples, at least."""


class LoadError(Exception):
    """A load did not take place; the message says why in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressSample:
    """The progress of all workers at one time."""

    seconds: float
    """Since the start."""
    lines: int
    reconnects: int
    connections: int
    """Connections that have a socket."""


START_SAMPLE: Final = ProgressSample(seconds=0.0, lines=0, reconnects=0, connections=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """The result of a load."""

    start: int
    """Nanoseconds of time.monotonic."""
    workers: tuple[WorkerResult, ...]
    samples: tuple[ProgressSample, ...]
    machine: float | None
    """The share of all processors of this machine that was busy, with anything; None if it does not tell."""


def run_load(settings: Settings, on_progress: Callable[[ProgressSample], None]) -> LoadResult:
    """Send a load, calling `on_progress` with its progress. SIGINT and SIGTERM end it in order.

    Raises LoadError. For the main thread only: it handles signals.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(settings, process)) for process in range(settings.processes)]
        stack.enter_context(_forward_signals(workers))
        return _collect_reports(workers, on_progress)


@contextmanager
def _worker(settings: Settings, process: int) -> Generator[Worker]:
    command = [sys.executable, "-m", "nodelog.load.generator.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:  # noqa: S603 (our own module)
        try:
            _send_command(worker, {"settings": asdict(settings), "process": process})
            yield worker
        finally:
            if worker.poll() is None and sys.exc_info()[0]:
                worker.kill()


@contextmanager
def _forward_signals(workers: list[Worker]) -> Generator[None]:
    """Forward stop signals, so that the workers end. After Ctrl-C they get it twice, which does no harm.

    They wait for the collector to read what was sent; a second signal kills them.
    """
    stopping = False

    def forward(*_: object) -> None:
        nonlocal stopping
        for worker in workers:
            worker.send_signal(signal.SIGKILL if stopping else signal.SIGTERM)
        stopping = True

    old = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _send_command(worker: Worker, command: object) -> None:
    assert worker.stdin is not None  # noqa: S101 (it is a pipe)
    try:
        worker.stdin.write(json.dumps(command).encode() + b"\n")
        worker.stdin.flush()
    except BrokenPipeError:
        raise LoadError("a process of the load ended before it began") from None


def _collect_reports(workers: list[Worker], on_progress: Callable[[ProgressSample], None]) -> LoadResult:
    """Start the workers once all are ready; return the result when all have ended."""
    start = 0
    not_ready, before = len(workers), read_cpu_times()
    progress: dict[int, Progress] = {}
    samples: list[ProgressSample] = []
    results: dict[int, WorkerResult] = {}
    for process, report in _reports(workers):
        match report:
            case {"ready": _}:
                not_ready -= 1
                if not not_ready:
                    start, before = time.monotonic_ns() + _START_DELAY, read_cpu_times()
                    for worker in workers:
                        _send_command(worker, {"start": start})
            case {"failed": why}:
                raise LoadError(str(why))
            case {"progress": values}:
                progress[process] = Progress(**values)
                sample, last = _sample(start, progress), samples[-1] if samples else START_SAMPLE
                if len(progress) == len(workers) and sample.seconds >= last.seconds + _SAMPLE_SECONDS:
                    samples.append(sample)
                    on_progress(sample)
            case {"result": values}:
                results[process] = WorkerResult(**values)
            case {"ended": _} if process not in results:
                raise LoadError("a process of the load ended before its time; what was sent is not known")
    after = read_cpu_times()
    machine = (after[0] - before[0]) / (after[1] - before[1]) if before and after else None
    in_order = tuple(results[process] for process in sorted(results))
    return LoadResult(start=start, workers=in_order, samples=tuple(samples), machine=machine)


def _sample(start: int, progress: dict[int, Progress]) -> ProgressSample:
    """Combine the latest progress of each worker."""
    latest = progress.values()
    return ProgressSample(
        seconds=(max(one.time for one in latest) - start) / 1e9,
        lines=sum(one.lines for one in latest),
        reconnects=sum(one.reconnects for one in latest),
        connections=sum(one.connections for one in latest),
    )


def _reports(workers: list[Worker]) -> Generator[tuple[int, dict[str, Any]]]:
    """Yield the reports of all workers as they arrive, until each has closed its output."""
    unfinished = dict.fromkeys(range(len(workers)), b"")
    with selectors.DefaultSelector() as selector:
        for process, worker in enumerate(workers):
            assert worker.stdout is not None  # noqa: S101 (it is a pipe)
            selector.register(worker.stdout, selectors.EVENT_READ, process)
        while unfinished:
            for key, _ in selector.select():
                data = os.read(key.fd, 1 << 20)
                *lines, unfinished[key.data] = (unfinished[key.data] + data).split(b"\n")
                yield from ((key.data, json.loads(line)) for line in lines)
                if not data:
                    yield key.data, {"ended": True}
                    selector.unregister(key.fileobj)
                    del unfinished[key.data]
