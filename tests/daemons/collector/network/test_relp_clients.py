from __future__ import annotations

from typing import TYPE_CHECKING, cast

from nodelogd.collector.network import relp_clients as module
from nodelogd.collector.network.relp_clients import BUSIEST_SHOWN, MAX_NAMES, RelpClients

if TYPE_CHECKING:
    import pytest

    from nodelogd.collector.network.relp_connection import RelpConnection

STREAM = b"stream number 1."


class Known:
    """The clients of a collector, and what they have it do."""

    def __init__(self) -> None:
        """Begin with none."""
        self.forgotten: list[bytes] = []
        self.replaced: list[RelpConnection] = []
        self.clients: RelpClients[RelpConnection] = RelpClients(lambda _: 0, self.forgotten.append)
        self.clients.on_replaced = self.replaced.append

    def open(self, stream: bytes | None = STREAM) -> RelpConnection:
        """Have a connection open a stream."""
        connection = cast("RelpConnection", Carrier(stream))
        self.clients.add(connection)
        self.clients.set_opened(connection)
        return connection


class Carrier:
    """What is of interest of a connection here."""

    def __init__(self, stream: bytes | None) -> None:
        """Carry this stream."""
        self.stream = stream


def test_an_older_connection_of_the_same_stream_is_replaced() -> None:
    known = Known()
    older, other, newer = known.open(), known.open(b"stream number 2."), known.open()
    assert known.replaced == [older]
    known.clients.remove(older, finished=True)
    assert known.forgotten == []  # another one carries it on
    known.clients.remove(newer, finished=True)
    known.clients.remove(other, finished=False)
    assert known.forgotten == [STREAM]
    assert known.clients.by_stream == {}


def test_connections_without_a_stream_replace_nobody() -> None:
    known = Known()
    assert (known.open(None), known.open(None), known.replaced)[2] == []


def test_who_has_not_opened_in_time_is_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Known()
    late = cast("RelpConnection", Carrier(None))
    known.clients.add(late)
    known.open()
    assert known.clients.without_open() == []
    monkeypatch.setattr(module, "OPEN_TIMEOUT", -1.0)
    assert known.clients.without_open() == [late]
    known.clients.remove(late, finished=False)
    assert known.clients.without_open() == []


def test_all_is_answered_when_as_many_are_settled_as_were_owed() -> None:
    clients = Known().clients
    states = []
    for count in (2, -1, -1):
        if count > 0:
            clients.add_unanswered(count)
        else:
            clients.remove_unanswered(-count)
        states.append(clients.all_answered.is_set())
    assert states == [False, False, True]


def test_the_busiest_are_shown_and_their_number_is_bounded_whatever_names_come() -> None:
    clients = Known().clients
    clients.count_bytes("large", 10**6)
    for number in range(3 * MAX_NAMES):
        clients.count_bytes(f"name {number}", number % 7)
        clients.count_bytes("steady", 1000)
    shown = clients.busiest()
    assert len(shown) == BUSIEST_SHOWN
    assert [entry["name"] for entry in shown[:2]] == ["steady", "large"]
    assert len(clients._bytes) <= MAX_NAMES
