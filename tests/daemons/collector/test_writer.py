from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.faults import watched
from tests.running import PATIENCE, wait_for

from nodelogd.collector import batches, orders
from nodelogd.collector import writer as writer_module
from nodelogd.collector.arena import Arenas
from nodelogd.collector.metrics import Metrics
from nodelogd.collector.names import Names
from nodelogd.collector.orders import Mode, SyncPolicy
from nodelogd.collector.store import Store, StoreSettings
from nodelogd.collector.writer import Writer
from nodelogd.health import Health

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from nodelogd.collector.relp import Relp

STREAM = b"stream number 1."
OTHER = b"stream number 2."


class Bench:
    """A writer at work on a log, fed as the loop feeds it."""

    def __init__(
        self,
        log: Path,
        policy: SyncPolicy,
        spare: int = 0,
        on_open: Callable[[OSError | None], None] | None = None,
    ) -> None:
        """Start it; the loop has `spare` more arenas."""
        self.log = log
        self.metrics, self.health = Metrics(), Health()
        self.peer = cast("Relp", object())  # who is to be answered; a name on a receipt to the writer
        self.room = threading.Event()
        self.arenas = Arenas(1000, self.room.set, spare=spare)
        self.opened: list[OSError | None] = []
        self.stored: list[Mapping[Relp, int]] = []  # receipts, as they are answered
        self.writer = Writer(
            log,
            lambda on_left: Store(Names.of(log), StoreSettings(), self.metrics, on_left),
            self.arenas,
            policy,
            metrics=self.metrics,
            health=self.health,
            on_open=on_open or self.opened.append,
            on_stored=self.stored.append,
            on_finished_file=lambda: None,
        )
        self.writer.start()

    def put(
        self, lines: bytes, pairs: Mapping[bytes, int] | None = None, *, owed: int = 0, fence: bool = False
    ) -> None:
        """Hand a batch over, as soon as there is an arena; its blocks and `owed` frames are awaited."""
        arena = self.arenas.current
        arena.add(lines)
        arena.pairs |= pairs or {}
        arena.fence = fence
        if owed or pairs:
            arena.owe(self.peer, owed or 1)
        while self.arenas.swap() is None:
            assert self.room.wait(PATIENCE), "no arena came back"
            self.room.clear()
        self.writer.put(arena)

    @property
    def is_idle(self) -> bool:
        """Say whether nothing is kept: all is written, and what is awaited durable."""
        return len(self.arenas._free) == 1

    def count(self, name: str, **labels: str) -> float:
        """Give a metric."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@contextmanager
def writing(log: Path, policy: SyncPolicy | None = None, *, spare: int = 0) -> Generator[Bench]:
    bench = Bench(log, policy or SyncPolicy(), spare)
    yield bench
    assert bench.writer.close(PATIENCE)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "node_log"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pass the time faster: a second is long in a test."""
    monkeypatch.setattr(batches, "RETRY", 0.01)
    monkeypatch.setattr(writer_module, "RETRY", 0.01)
    monkeypatch.setattr(writer_module, "TICK", 0.02)
    monkeypatch.setattr(orders, "BACKGROUND", 0.05)


def failing(name: str, times: int, number: int = errno.ENOSPC) -> Any:  # noqa: ANN401 (a context manager)
    left = [None] * times

    def before(called: str, _: tuple[Any, ...]) -> None:
        if called == name and left:
            left.pop()
            raise OSError(number, os.strerror(number))

    return watched(before)


@contextmanager
def full(space: threading.Event) -> Generator[None]:
    """Have a disk without space until `space` is set."""

    def before(called: str, _: tuple[Any, ...]) -> None:
        if called == "write" and not space.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with watched(before):
        yield


def test_batches_are_written_in_order_and_all_of_them_before_the_end(log: Path) -> None:
    with writing(log) as bench:
        for number in range(200):
            bench.put(b"line %d\n" % number)
    assert log.read_bytes() == b"".join(b"line %d\n" % number for number in range(200))
    assert bench.count("nodelog_written_bytes_total") == log.stat().st_size
    assert bench.arenas.handed == 0


@pytest.mark.parametrize(
    "policy",
    [SyncPolicy(gap=0.001), SyncPolicy(mode=Mode.INTERVAL, interval=0.02), SyncPolicy(mode=Mode.OFF)],
)
def test_a_full_disk_loses_and_doubles_nothing_and_says_why_it_waits(log: Path, policy: SyncPolicy) -> None:
    with writing(log, policy) as bench:
        bench.put(b"one\n", {STREAM: 1})
        wait_for(lambda: bench.count("nodelog_written_bytes_total") == 4)
        space = threading.Event()
        with full(space):
            bench.put(b"two\n", {STREAM: 2})
            wait_for(lambda: "No space left on device" in bench.health.reasons().get("disk", ""))
            space.set()
            bench.put(b"three\n")
            wait_for(lambda: not bench.health.reasons())
    assert log.read_bytes() == b"one\ntwo\nthree\n"
    assert bench.count("nodelog_write_failures_total", what="write") > 0


def test_an_acknowledged_batch_is_held_until_it_is_synced_and_lines_behind_it_too(log: Path) -> None:
    gate = threading.Event()

    def before(called: str, _: tuple[Any, ...]) -> None:
        if called == "fdatasync":
            assert gate.wait(PATIENCE)

    with writing(log) as bench:
        wait_for(lambda: bench.opened)
        with watched(before):
            bench.put(b"one\n", {STREAM: 1})
            wait_for(lambda: log.read_bytes() == b"one\n")
            assert not bench.is_idle
            assert bench.stored == []
            gate.set()
            wait_for(lambda: bench.is_idle)
        bench.put(b"two\n")
        wait_for(lambda: bench.is_idle)


def test_a_busy_collector_syncs_no_more_often_than_the_gap_allows(log: Path) -> None:
    syncs = [0]

    def before(called: str, _: tuple[Any, ...]) -> None:
        syncs[0] += called == "fdatasync"

    with writing(log, SyncPolicy(gap=0.2)) as bench:
        wait_for(lambda: bench.opened)
        with watched(before):
            start = time.monotonic()
            for number in range(1, 9):
                bench.put(b"line\n", {STREAM: number})
            wait_for(lambda: bench.is_idle)
            most = (time.monotonic() - start) / 0.2 + 2
            assert 2 <= syncs[0] <= 2 * most  # data and journal


def test_what_came_during_a_slow_sync_has_the_next_one_in_common(log: Path) -> None:
    gate, syncs = threading.Event(), [0]

    def before(called: str, _: tuple[Any, ...]) -> None:
        if called == "fdatasync":
            syncs[0] += 1
            assert gate.wait(PATIENCE)

    with writing(log, SyncPolicy(gap=0.0), spare=8) as bench:
        wait_for(lambda: bench.opened)
        with watched(before):
            bench.put(b"line\n", {STREAM: 1})
            wait_for(lambda: syncs[0] == 2)  # data and journal, at once
            for number in range(2, 9):
                bench.put(b"line\n", {STREAM: number})
            gate.set()
            wait_for(lambda: len(bench.stored) == 8)
        assert syncs[0] == 4  # twice


@pytest.mark.parametrize("times", [1, 2, 3])
def test_after_a_failed_sync_held_batches_stand_once_and_the_file_is_not_synced_again(
    log: Path, times: int
) -> None:
    with writing(log) as bench:
        bench.put(b"lines\n")
        wait_for(lambda: bench.is_idle)
        with failing("fdatasync", times, errno.EIO):
            bench.put(b"one\n", {STREAM: 1})
            bench.put(b"two\n", {STREAM: 2})
            bench.put(b"more lines\n")
            wait_for(lambda: bench.is_idle and not bench.health.reasons())
    whole = b"".join(each.path.read_bytes() for each in Names.of(log).finished()) + log.read_bytes()
    assert whole == b"lines\none\ntwo\nmore lines\n"
    assert Names.of(log).finished()
    assert Store(Names.of(log), StoreSettings(), Metrics()).streams.durable == {STREAM: 2}


def test_lines_nobody_waits_for_are_synced_in_the_background(log: Path) -> None:
    with writing(log) as bench:
        bench.put(b"one\n")
        wait_for(lambda: bench.count("nodelog_sync_seconds_count") >= 2)  # journal and data
    assert log.read_bytes() == b"one\n"


def test_with_sync_off_nothing_is_synced_before_the_end(log: Path) -> None:
    with writing(log, SyncPolicy(mode=Mode.OFF)) as bench:
        for number in range(20):
            bench.put(b"line\n", {STREAM: number + 1})
        wait_for(lambda: bench.is_idle)
        assert bench.count("nodelog_sync_seconds_count") == 0
    assert bench.count("nodelog_sync_seconds_count") > 0


def test_a_failed_sync_in_the_background_seals_the_file_and_keeps_its_lines(log: Path) -> None:
    with writing(log) as bench, failing("fdatasync", 1, errno.EIO):
        bench.put(b"one\n")
        wait_for(lambda: bench.count("nodelog_rotations_total") == 1)
        bench.put(b"two\n")
    assert [each.path.read_bytes() for each in Names.of(log).finished()] == [b"one\n"]
    assert log.read_bytes() == b"two\n"


def test_a_start_on_a_full_disk_waits_for_space(log: Path) -> None:
    with failing("posix_fallocate", 5), writing(log) as bench:
        wait_for(lambda: bench.opened)
        bench.put(b"one\n")
    assert log.read_bytes() == b"one\n"


def test_a_start_that_only_an_operator_can_help_is_reported(log: Path) -> None:
    log.mkdir()
    bench = Bench(log, SyncPolicy())
    wait_for(lambda: bench.opened)
    assert isinstance(bench.opened[0], IsADirectoryError)


def test_whoever_hears_that_the_log_is_open_may_ask_what_is_durable(log: Path) -> None:
    answers: list[int] = []

    def on_open(_: OSError | None) -> None:
        answers.append(bench.writer.durable(STREAM))

    bench = Bench(log, SyncPolicy(), on_open=on_open)
    wait_for(lambda: answers)
    assert bench.writer.close(PATIENCE)
    assert answers == [0]


def test_a_writer_that_is_stuck_says_for_how_long_and_does_not_hold_up_the_end(log: Path) -> None:
    gate = threading.Event()

    def before(called: str, _: tuple[Any, ...]) -> None:
        if called == "write":
            assert gate.wait(PATIENCE)

    with writing(log) as bench:
        wait_for(lambda: bench.opened)
        with watched(before):
            bench.put(b"one\n")
            wait_for(lambda: bench.writer.waiting() > 0.05)
            assert not bench.writer.close(0.05)
            gate.set()
            wait_for(lambda: bench.writer.waiting() == 0)


def test_a_log_is_sealed_on_request_between_two_batches(log: Path) -> None:
    with writing(log) as bench:
        bench.put(b"one\n")
        bench.writer.turn_over()
        bench.put(b"two\n")
    assert [each.path.read_bytes() for each in Names.of(log).finished()] == [b"one\n"]
    assert log.read_bytes() == b"two\n"


def test_without_a_free_descriptor_a_sync_in_the_background_comes_later_and_costs_nothing_meanwhile(
    log: Path,
) -> None:
    tries: list[float] = []
    free = threading.Event()

    def before(called: str, arguments: tuple[Any, ...]) -> None:
        if called == "open" and "/proc/self/fd" in str(arguments[0]):
            tries.append(time.monotonic())
            if not free.is_set():
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with writing(log) as bench, watched(before):
        bench.put(b"one\n")
        wait_for(lambda: len(tries) >= 5)
        assert tries[4] - tries[0] >= 3 * writer_module.TICK
        free.set()
        wait_for(lambda: bench.count("nodelog_sync_seconds_count") >= 2)


def gated(gate: threading.Event) -> Any:  # noqa: ANN401 (a context manager)
    def before(called: str, _: tuple[Any, ...]) -> None:
        if called == "fdatasync":
            assert gate.wait(PATIENCE)

    return watched(before)


@pytest.mark.parametrize(
    ("policy", "fence", "waits"),
    [
        (SyncPolicy(gap=0.001), False, True),
        (SyncPolicy(gap=0.001), True, True),
        (SyncPolicy(mode=Mode.INTERVAL, interval=60), False, False),
        (SyncPolicy(mode=Mode.INTERVAL, interval=60), True, True),
        (SyncPolicy(mode=Mode.OFF), False, False),
        (SyncPolicy(mode=Mode.OFF), True, False),
    ],
)
def test_answers_wait_for_a_sync_as_the_policy_says_and_a_fence_wherever_there_are_syncs(
    log: Path, policy: SyncPolicy, *, fence: bool, waits: bool
) -> None:
    gate = threading.Event()
    with writing(log, policy) as bench:
        wait_for(lambda: bench.opened)
        with gated(gate):
            bench.put(b"one\n", {STREAM: 1}, fence=fence)
            wait_for(lambda: log.read_bytes() == b"one\n")
            wait_for(lambda: bench.writer.waiting() > 0.05 if waits else bench.stored)
            assert len(bench.stored) == (not waits)
            gate.set()
            wait_for(lambda: len(bench.stored) == 1)
        durable = bench.writer.durable(STREAM)
        assert durable == (0 if policy.mode is Mode.INTERVAL and not fence else 1)


def test_a_batch_of_answers_alone_is_recorded_synced_and_answered(log: Path) -> None:
    with writing(log) as bench:
        bench.put(b"", owed=3)
        wait_for(lambda: bench.stored == [{bench.peer: 3}])
        bench.put(b"", {STREAM: 1})  # a probe
        wait_for(lambda: bench.stored[1:] == [{bench.peer: 1}])
        bench.put(b"one\n")
    assert log.read_bytes() == b"one\n"
    assert Store(Names.of(log), StoreSettings(), Metrics()).streams.durable == {STREAM: 1}


def test_the_file_is_not_turned_over_before_what_is_awaited_is_durable_block_or_not(log: Path) -> None:
    gate = threading.Event()
    with writing(log) as bench:
        wait_for(lambda: bench.opened)
        with gated(gate):
            bench.writer._schedule._began = time.monotonic() + 60  # so that only the turn-over would sync
            bench.put(b"one\n", owed=1)
            wait_for(lambda: log.read_bytes() == b"one\n")
            bench.writer.turn_over()
            wait_for(lambda: bench.writer.waiting() > 0.05)
            assert (bench.stored, Names.of(log).finished()) == ([], [])
            gate.set()
            wait_for(lambda: Names.of(log).finished())
            bench.writer._schedule._began = 0.0
            bench.writer.forget(OTHER)  # an order, which wakes it
            wait_for(lambda: bench.stored == [{bench.peer: 1}])


def test_after_a_failed_sync_each_frame_is_answered_once(log: Path) -> None:
    with writing(log) as bench, failing("fdatasync", 3, errno.EIO):
        bench.put(b"one\n", owed=2)
        bench.put(b"", owed=1)
        bench.put(b"two\n", {STREAM: 1})
        wait_for(lambda: len(bench.stored) == 3 and bench.is_idle)
    assert [sum(receipts.values()) for receipts in bench.stored] == [2, 1, 1]


def test_what_is_written_is_not_held_any_more_though_its_answer_waits(log: Path) -> None:
    gate = threading.Event()
    with writing(log) as bench:
        wait_for(lambda: bench.opened)
        with gated(gate):
            bench.put(b"one\n", {STREAM: 1})
            wait_for(lambda: bench.count("nodelog_written_bytes_total") == 4)
            assert (bench.arenas.handed, bench.stored) == (0, [])
            gate.set()


def test_a_stream_is_forgotten_in_its_turn(log: Path) -> None:
    with writing(log) as bench:
        bench.put(b"one\n", {STREAM: 1})
        bench.writer.forget(STREAM)
        bench.put(b"two\n", {OTHER: 1})
    assert bench.writer._store.streams.durable == {OTHER: 1}
