"""Naps come after many small reads, and end when something urgent comes."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.reader_harness import tcp_pair

from nodelogd.collector.network import pacing as module
from nodelogd.collector.network.pacing import (
    MIN_READS,
    NAP,
    SHORT_NAP,
    SMALL_READ,
    SMALL_TURN,
    Pacing,
    nap_time,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

LONG = 600.0  # seconds; a nap that nothing interrupts ends the test by its time limit


@pytest.fixture
def pacing(monkeypatch: pytest.MonkeyPatch) -> Generator[Pacing]:
    monkeypatch.setattr(module, "SHORT_NAP", LONG)
    pacing = Pacing()
    yield pacing
    pacing.close()


@pytest.mark.parametrize(
    ("reads", "received"),
    [(0, 0), (1, 10), (MIN_READS - 1, 10), (MIN_READS, MIN_READS * SMALL_READ), (500, 500 * 64 * 1024)],
)
def test_few_reads_or_large_reads_never_cause_a_nap(reads: int, received: int) -> None:
    assert nap_time(reads, received) == 0


@pytest.mark.parametrize(
    ("reads", "received", "seconds"),
    [
        (MIN_READS, MIN_READS, SHORT_NAP),
        (MIN_READS, MIN_READS * SMALL_READ - 1, NAP),
        (32, SMALL_TURN - 1, SHORT_NAP),
        (500, 500 * 128, NAP),
    ],
)
def test_many_small_reads_cause_a_nap_and_few_bytes_a_short_one(
    reads: int, received: int, seconds: float
) -> None:
    assert nap_time(reads, received) == seconds


def test_a_nap_that_nothing_interrupts_lasts_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHORT_NAP", 0.02)
    pacing = Pacing()
    start = time.monotonic()
    pacing.nap_after(500, 500)
    assert time.monotonic() - start >= 0.02
    pacing.close()


def test_the_set_may_have_any_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SELECTED", 0)
    monkeypatch.setattr(module, "SHORT_NAP", LONG)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pacing = Pacing()
        pacing.watch_listener(listener.fileno())
        during_a_nap(pacing, lambda: socket.create_connection(listener.getsockname()).close())
        pacing.close()


def test_a_new_connection_ends_a_nap(pacing: Pacing) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pacing.watch_listener(listener.fileno())
        during_a_nap(pacing, lambda: socket.create_connection(listener.getsockname()).close())


def test_the_first_line_and_the_end_of_a_connection_end_naps_and_its_other_lines_do_not(
    pacing: Pacing, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, accepted = tcp_pair()
    with client, accepted:
        pacing.watch_connection(accepted.fileno())
        during_a_nap(pacing, lambda: client.sendall(b"first\n"))
        client.sendall(b"second\n")
        monkeypatch.setattr(module, "SHORT_NAP", 0.02)
        start = time.monotonic()
        pacing.nap_after(500, 500)
        assert time.monotonic() - start >= 0.02
        monkeypatch.setattr(module, "SHORT_NAP", LONG)
        during_a_nap(pacing, lambda: client.shutdown(socket.SHUT_WR))


def test_a_listener_that_is_not_watched_any_more_ends_no_nap(
    pacing: Pacing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pacing.watch_listener(listener.fileno())
        pacing.unwatch_listener(listener.fileno())
        monkeypatch.setattr(module, "SHORT_NAP", 0.02)
        with socket.create_connection(listener.getsockname()):
            start = time.monotonic()
            pacing.nap_after(500, 500)
            assert time.monotonic() - start >= 0.02


def during_a_nap(pacing: Pacing, act: Callable[[], object]) -> None:
    """Nap, and act meanwhile or a moment before; the test's own time limit is what fails."""
    thread = threading.Thread(target=act)
    thread.start()
    pacing.nap_after(500, 500)
    thread.join()
