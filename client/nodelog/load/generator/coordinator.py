"""The processes of a load, seen from the one that was started: begun together, listened to, and ended."""

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

from nodelog.load.generator.cpu_usage import busy
from nodelog.load.generator.sender import Progress
from nodelog.load.generator.worker import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from nodelog.load.generator.settings import Settings

_HEAD_START: Final = 20_000_000
"""Nanoseconds from the order to begin until they begin, so that all have read it."""
_APART: Final = 0.09
"""Seconds between two moments, at least."""


class LoadError(Exception):
    """Why a load did not take place, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How far all of them were at one time."""

    seconds: float
    """From the start."""
    lines: int
    reconnects: int
    open: int


BEGINNING: Final = Moment(seconds=0.0, lines=0, reconnects=0, open=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What became of a load."""

    start: int
    outcomes: tuple[Outcome, ...]
    moments: tuple[Moment, ...]
    machine: float | None
    """Which part of all processors of this machine was busy, by whatever; None if it does not tell."""


def run_load(settings: Settings, tell: Callable[[Moment], None]) -> Record:
    """Send a load; `tell` is called with how far it is. SIGINT and SIGTERM end it in order.

    Raises LoadError. For the main thread only: it handles signals.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(settings, process)) for process in range(settings.processes)]
        stack.enter_context(_forwarding(workers))
        return _listen(workers, tell)


@contextmanager
def _worker(settings: Settings, process: int) -> Generator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "nodelog.load.generator.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:  # noqa: S603 (our own module)
        try:
            _order(worker, {"settings": asdict(settings), "process": process})
            yield worker
        finally:
            if worker.poll() is None and sys.exc_info()[0]:
                worker.kill()


@contextmanager
def _forwarding(workers: list[subprocess.Popen[bytes]]) -> Generator[None]:
    """Pass a signal on: they end, and so do we. A terminal has told them already, twice does no harm.

    They wait for the collector to read what is under way; a second signal ends them at once.
    """
    asked = False

    def forward(*_: object) -> None:
        nonlocal asked
        for worker in workers:
            worker.send_signal(signal.SIGKILL if asked else signal.SIGTERM)
        asked = True

    old = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _order(worker: subprocess.Popen[bytes], order: object) -> None:
    assert worker.stdin is not None  # noqa: S101 (it is a pipe)
    try:
        worker.stdin.write(json.dumps(order).encode() + b"\n")
        worker.stdin.flush()
    except BrokenPipeError:
        raise LoadError("a process of the load ended before it began") from None


def _listen(workers: list[subprocess.Popen[bytes]], tell: Callable[[Moment], None]) -> Record:
    start = 0
    waiting, before = len(workers), busy()
    progress: dict[int, Progress] = {}
    moments: list[Moment] = []
    outcomes: dict[int, Outcome] = {}
    for which, answer in _answers(workers):
        match answer:
            case {"ready": _}:
                waiting -= 1
                if not waiting:
                    start, before = time.monotonic_ns() + _HEAD_START, busy()
                    for worker in workers:
                        _order(worker, {"start": start})
            case {"failed": why}:
                raise LoadError(str(why))
            case {"progress": values}:
                progress[which] = Progress(**values)
                moment, last = _moment(start, progress), moments[-1] if moments else BEGINNING
                if len(progress) == len(workers) and moment.seconds >= last.seconds + _APART:
                    moments.append(moment)
                    tell(moment)
            case {"outcome": values}:
                outcomes[which] = Outcome(**values)
            case {"ended": _} if which not in outcomes:
                raise LoadError("a process of the load ended before its time; what was sent is not known")
    after = busy()
    share = (after[0] - before[0]) / (after[1] - before[1]) if before and after else None
    in_order = tuple(outcomes[which] for which in sorted(outcomes))
    return Record(start=start, outcomes=in_order, moments=tuple(moments), machine=share)


def _moment(start: int, progress: dict[int, Progress]) -> Moment:
    """Put together what each said last."""
    each = progress.values()
    return Moment(
        seconds=(max(one.at for one in each) - start) / 1e9,
        lines=sum(one.lines for one in each),
        reconnects=sum(one.reconnects for one in each),
        open=sum(one.open for one in each),
    )


def _answers(workers: list[subprocess.Popen[bytes]]) -> Generator[tuple[int, dict[str, Any]]]:
    """Give the answers of all of them as they come, until each has ended its output."""
    unfinished = dict.fromkeys(range(len(workers)), b"")
    with selectors.DefaultSelector() as selector:
        for which, worker in enumerate(workers):
            assert worker.stdout is not None  # noqa: S101 (it is a pipe)
            selector.register(worker.stdout, selectors.EVENT_READ, which)
        while unfinished:
            for key, _ in selector.select():
                data = os.read(key.fd, 1 << 20)
                *lines, unfinished[key.data] = (unfinished[key.data] + data).split(b"\n")
                yield from ((key.data, json.loads(line)) for line in lines)
                if not data:
                    yield key.data, {"ended": True}
                    selector.unregister(key.fileobj)
                    del unfinished[key.data]
