"""Creates the connection objects of accepted sockets, with the limits and counters that they share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nodelogd.collector.network.framing.decoders import Framing, create_decoder
from nodelogd.collector.network.framing.framed_connection import FramedConnection
from nodelogd.collector.network.line_connection import LineConnection
from nodelogd.collector.network.protocol_detection import UndecidedConnection
from nodelogd.collector.network.relp_connection import RelpConnection
from nodelogd.collector.network.stamp import peer_name

if TYPE_CHECKING:
    import socket

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.connections import Connections
    from nodelogd.collector.network.line_connection import LineLimits
    from nodelogd.collector.network.relp_clients import RelpClients
    from nodelogd.collector.network.stamp import PeerAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFactory:
    """What all connections are created from, besides their sockets."""

    limits: LineLimits
    metrics: Metrics
    clients: RelpClients[RelpConnection]
    connections: Connections

    def create(
        self, sock: socket.socket, address: PeerAddress, *, relp_only: bool, framing: Framing = Framing.LF
    ) -> UndecidedConnection | RelpConnection | FramedConnection:
        """Return a connection that reads from a non-blocking socket, whose peer has this address.

        Its first bytes decide between lines and RELP, unless it is `relp_only` or has another `framing`.
        """
        peer = peer_name(address) if self.limits.stamp else b""
        if framing is not Framing.LF:
            decoder = create_decoder(framing, self.limits.max_line)
            return FramedConnection(sock, peer, decoder, self.limits, self.metrics)
        create_relp = partial(RelpConnection, sock, peer, self.limits, self.metrics, self.clients)
        if relp_only:
            return create_relp()
        lines = LineConnection(sock, peer, self.limits, self.metrics)
        return UndecidedConnection(lines, create_relp, self.connections.replace, self.limits.read_size)
