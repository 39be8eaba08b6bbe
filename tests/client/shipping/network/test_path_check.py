"""When a path counts as dead; test_dead_path.py has real ones."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from nodelog.shipping.network import path_check
from nodelog.shipping.network.path_check import (
    SILENT_SECONDS,
    PathCheck,
    TcpState,
    enable_keepalive,
    read_tcp_state,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def state(
    seconds: float, *, retransmits: int = 0, probes: int = 0, unacked: int = 1, sent: float = 0
) -> TcpState:
    """Return a state in which the other side was heard `seconds` ago, and data sent `sent` seconds ago."""
    heard = round(seconds * 1000) + 1  # data was sent after that
    last_sent = round(sent * 1000)
    return TcpState(retransmits, probes, unacked, last_sent, last_data=heard + 5000, last_ack=heard)


def silence_after(states: Sequence[TcpState | None], step: float = 5.0) -> list[float]:
    """Return the result of each check, `step` seconds apart."""
    check = PathCheck()
    return [check.silent_seconds(each, 1000 + number * step) for number, each in enumerate(states)]


def test_a_path_is_dead_once_nothing_was_heard_for_long_and_data_was_sent_again_and_again() -> None:
    assert silence_after([state(n * 5, retransmits=n + 2) for n in range(4)]) == [0, 0, 0, SILENT_SECONDS]


def test_time_before_the_first_check_does_not_count() -> None:
    assert silence_after([state(10 + n * 5, retransmits=n + 3) for n in range(4)]) == [0, 0, 0, 15]


def test_window_probes_that_are_not_answered_count_like_data() -> None:
    assert silence_after([state(n * 5, probes=n + 1, unacked=0) for n in range(4)])[-1] == 15


@pytest.mark.parametrize(
    "states",
    [
        pytest.param([state(n * 5, unacked=0) for n in range(9)], id="idle"),
        pytest.param([state(1.0, probes=n % 2, unacked=0) for n in range(9)], id="a shut window"),
        pytest.param([state(1.0, retransmits=9) for _ in range(9)], id="heard a moment ago"),
        pytest.param([state(n * 5, retransmits=1) for n in range(9)], id="sent again only once"),
        pytest.param(
            [state(n * 5, retransmits=9, sent=n * 5 + 1) for n in range(9)], id="it answered the last one"
        ),
        pytest.param(
            [state(0, retransmits=9, sent=1), *(state(n * 5, retransmits=10) for n in range(1, 9))],
            id="it did not answer the last one alone",
        ),
        pytest.param([None] * 9, id="unknown"),
    ],
)
def test_a_kernel_that_answers_or_was_hardly_asked_is_not_dead(states: list[TcpState | None]) -> None:
    assert silence_after(states) == [0] * 9


def test_a_machine_that_was_paused_for_an_hour_is_not_taken_for_a_dead_path() -> None:
    assert silence_after([state(0), state(3600, retransmits=1), state(1)], step=3600) == [0, 0, 0]


def test_an_answer_starts_the_time_again() -> None:
    states = [state(0), state(5, retransmits=5), state(10, retransmits=6), state(1), state(6, retransmits=5)]
    assert silence_after(states) == [0, 0, 0, 0, 0]


def test_a_kernel_without_these_options_is_left_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as connection:
        monkeypatch.setattr(path_check, "_KEEPALIVE", {"TCP_NO_SUCH_OPTION": 1, "TCP_KEEPIDLE": -1})
        enable_keepalive(connection)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        monkeypatch.setattr(path_check, "_TCP_INFO", None)
        assert read_tcp_state(connection) is None
        monkeypatch.setattr(path_check, "_TCP_INFO", 12345)
        assert read_tcp_state(connection) is None


def test_the_state_of_a_connection_is_read_from_the_kernel() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.connect(listener.getsockname())
        peer, _ = listener.accept()
        with peer:
            client.sendall(b"a")
            found = read_tcp_state(client)
    assert found is not None
    assert (found.retransmits, found.probes) == (0, 0)
    assert found.heard_seconds < 30
    assert found.last_sent < 30_000
