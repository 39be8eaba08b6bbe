from __future__ import annotations

from typing import TYPE_CHECKING, cast

from nodelogd.collector.network import relp_clients as module
from nodelogd.collector.network.relp_clients import BUSIEST_SHOWN, MAX_NAMES, RelpClients

if TYPE_CHECKING:
    import pytest

    from nodelogd.collector.network.relp_connection import RelpConnection

STREAM = b"stream number 1."


class ClientsHarness:
    """The clients of a collector, and the calls they caused."""

    def __init__(self) -> None:
        """Start without connections."""
        self.forgotten: list[bytes] = []
        self.replaced: list[RelpConnection] = []
        self.clients: RelpClients[RelpConnection] = RelpClients(lambda _: 0, self.forgotten.append)
        self.clients.on_replaced = self.replaced.append

    def open(self, stream: bytes | None = STREAM) -> RelpConnection:
        """Return a new connection that has opened a stream."""
        connection = cast("RelpConnection", FakeConnection(stream))
        self.clients.add(connection)
        self.clients.set_opened(connection)
        return connection


class FakeConnection:
    """The part of a connection that RelpClients uses."""

    def __init__(self, stream: bytes | None) -> None:
        """Carry this stream, or none."""
        self.stream = stream


def test_an_older_connection_of_the_same_stream_is_replaced() -> None:
    harness = ClientsHarness()
    older, other, newer = harness.open(), harness.open(b"stream number 2."), harness.open()
    assert harness.replaced == [older]
    harness.clients.remove(older, finished=True)
    assert harness.forgotten == []  # a newer connection carries the stream
    harness.clients.remove(newer, finished=True)
    harness.clients.remove(other, finished=False)
    assert harness.forgotten == [STREAM]
    assert harness.clients.by_stream == {}


def test_connections_without_a_stream_replace_none() -> None:
    harness = ClientsHarness()
    assert (harness.open(None), harness.open(None), harness.replaced)[2] == []


def test_a_connection_is_reported_if_its_open_is_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = ClientsHarness()
    late = cast("RelpConnection", FakeConnection(None))
    harness.clients.add(late)
    harness.open()
    assert harness.clients.without_open() == []
    monkeypatch.setattr(module, "OPEN_TIMEOUT", -1.0)
    assert harness.clients.without_open() == [late]
    harness.clients.remove(late, finished=False)
    assert harness.clients.without_open() == []


def test_all_is_answered_once_every_added_frame_is_removed() -> None:
    clients = ClientsHarness().clients
    states = []
    for count in (2, -1, -1):
        if count > 0:
            clients.add_unanswered(count)
        else:
            clients.remove_unanswered(-count)
        states.append(clients.all_answered.is_set())
    assert states == [False, False, True]


def test_the_busiest_clients_are_shown_and_the_number_of_names_is_bounded() -> None:
    clients = ClientsHarness().clients
    clients.count_bytes("large", 10**6)
    for number in range(3 * MAX_NAMES):
        clients.count_bytes(f"name {number}", number % 7)
        clients.count_bytes("steady", 1000)
    shown = clients.busiest()
    assert len(shown) == BUSIEST_SHOWN
    assert [entry["name"] for entry in shown[:2]] == ["steady", "large"]
    assert len(clients._bytes) <= MAX_NAMES
