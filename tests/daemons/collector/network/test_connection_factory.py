from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.reader_harness import ReaderHarness, tcp_pair

from nodelogd.collector.network.framing.decoders import Framing
from nodelogd.collector.network.framing.framed_connection import FramedConnection
from nodelogd.collector.network.line_connection import LineLimits
from nodelogd.collector.network.protocol_detection import UndecidedConnection
from nodelogd.collector.network.relp_connection import RelpConnection

if TYPE_CHECKING:
    from collections.abc import Generator
    from socket import socket

ADDRESS = ("10.1.2.3", 40000)


@pytest.fixture
def accepted() -> Generator[socket]:
    client, accepted = tcp_pair()
    with client, accepted:
        yield accepted


async def test_the_first_bytes_decide_unless_only_relp_is_accepted(
    harness: ReaderHarness, accepted: socket
) -> None:
    assert isinstance(harness.factory.create(accepted, ADDRESS, relp_only=False), UndecidedConnection)
    assert isinstance(harness.factory.create(accepted, ADDRESS, relp_only=True), RelpConnection)
    framed = harness.factory.create(accepted, ADDRESS, relp_only=False, framing=Framing.NUL)
    assert isinstance(framed, FramedConnection)


@pytest.mark.parametrize(("stamp", "peer"), [(False, b""), (True, b"10.1.2.3:40000")])
async def test_the_peer_is_named_only_for_stamps(
    harness: ReaderHarness, accepted: socket, peer: bytes, *, stamp: bool
) -> None:
    factory = replace(harness.factory, limits=LineLimits(1024, stamp=stamp))
    connection = factory.create(accepted, ADDRESS, relp_only=True)
    assert isinstance(connection, RelpConnection)
    assert connection._peer == peer
