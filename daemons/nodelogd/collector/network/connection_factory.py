"""Creates the connection objects of accepted sockets, with the limits and counters that they share."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nodelog.wire.sniffing import Protocol
from nodelogd.collector.network.framing.decoders import Framing, create_decoder
from nodelogd.collector.network.framing.framed_connection import FramedConnection
from nodelogd.collector.network.line_connection import LineConnection
from nodelogd.collector.network.protocol_detection import UndecidedConnection
from nodelogd.collector.network.relp_connection import RelpConnection
from nodelogd.collector.network.stamp import family_of, peer_name

if TYPE_CHECKING:
    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.connections import Connections
    from nodelogd.collector.network.line_connection import LineLimits
    from nodelogd.collector.network.relp_clients import RelpClients
    from nodelogd.collector.network.short_connections import AcceptedConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFactory:
    """What all connections are created from, besides their sockets."""

    limits: LineLimits
    metrics: Metrics
    clients: RelpClients[RelpConnection]
    connections: Connections

    def create(
        self, accepted: AcceptedConnection
    ) -> UndecidedConnection | LineConnection | RelpConnection | FramedConnection:
        """Return the connection of an accepted descriptor; none of its bytes is processed yet.

        Its first bytes decide between lines and RELP, unless its protocol or another framing is known.
        """
        sock = socket.socket(family_of(accepted.address), socket.SOCK_STREAM, 0, accepted.descriptor)
        peer = peer_name(accepted.address) if self.limits.stamp else b""
        if accepted.framing is not Framing.LF:
            decoder = create_decoder(accepted.framing, self.limits.max_line)
            return FramedConnection(sock, peer, decoder, self.limits, self.metrics)
        create_relp = partial(RelpConnection, sock, peer, self.limits, self.metrics, self.clients)
        if accepted.protocol is Protocol.RELP:
            return create_relp()
        lines = LineConnection(sock, peer, self.limits, self.metrics)
        if accepted.protocol is Protocol.LINES:
            return lines
        return UndecidedConnection(lines, create_relp, self.connections.replace, self.limits.read_size)
