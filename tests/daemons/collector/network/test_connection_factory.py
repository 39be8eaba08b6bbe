from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.reader_harness import ReaderHarness, tcp_pair

from nodelog.wire.sniffing import Protocol
from nodelogd.collector.network.framing.decoders import Framing
from nodelogd.collector.network.framing.framed_connection import FramedConnection
from nodelogd.collector.network.line_connection import LineConnection, LineLimits
from nodelogd.collector.network.protocol_detection import UndecidedConnection
from nodelogd.collector.network.relp_connection import RelpConnection
from nodelogd.collector.network.short_connections import AcceptedConnection

if TYPE_CHECKING:
    from collections.abc import Generator

ADDRESS = ("10.1.2.3", 40000)


@pytest.fixture
def accepted() -> Generator[AcceptedConnection]:
    client, accepted = tcp_pair()
    with client, accepted:
        yield AcceptedConnection(accepted.detach(), ADDRESS)


@pytest.mark.parametrize(
    ("protocol", "kind"),
    [(None, UndecidedConnection), (Protocol.RELP, RelpConnection), (Protocol.LINES, LineConnection)],
)
async def test_the_first_bytes_decide_unless_the_protocol_is_known(
    harness: ReaderHarness, accepted: AcceptedConnection, protocol: Protocol | None, kind: type
) -> None:
    accepted.protocol = protocol
    connection = harness.factory.create(accepted)
    with connection.sock:
        assert isinstance(connection, kind)


async def test_another_framing_is_known_before_the_first_byte(
    harness: ReaderHarness, accepted: AcceptedConnection
) -> None:
    accepted.framing = Framing.NUL
    connection = harness.factory.create(accepted)
    with connection.sock:
        assert isinstance(connection, FramedConnection)


@pytest.mark.parametrize(("stamp", "peer"), [(False, b""), (True, b"10.1.2.3:40000")])
async def test_the_peer_is_named_only_for_stamps(
    harness: ReaderHarness, accepted: AcceptedConnection, peer: bytes, *, stamp: bool
) -> None:
    factory = replace(harness.factory, limits=LineLimits(1024, stamp=stamp))
    accepted.protocol = Protocol.RELP
    connection = factory.create(accepted)
    with connection.sock:
        assert isinstance(connection, RelpConnection)
        assert connection._peer == peer
