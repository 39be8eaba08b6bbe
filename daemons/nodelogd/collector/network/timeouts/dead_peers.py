"""Finds connections whose peer's kernel does not answer while responses to it are under way.

Keepalive finds all others. But the kernel sends no keepalive while data is unanswered; it sends that data
again, at growing intervals, for a quarter of an hour. A peer whose window is shut is not dead: its kernel
answers each probe. So what counts is whether anything came back since something was sent.
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelogd.collector.network.relp_connection import RelpConnection

if TYPE_CHECKING:
    from nodelogd.collector.network.connections import Connections

DEAD_AFTER: Final = 25.0  # seconds without an answer; a peer that is alive answers keepalives every 15 s
# `struct tcp_info` of the kernel: state, retransmits, probes and the like, then numbers of 32 bits.
_TCP_INFO: Final = struct.Struct("=8B13I")
_PROBES, _UNACKED, _LAST_DATA_SENT, _LAST_ACK_RECEIVED = 3, 12, 17, 20  # their places in it
_MILLISECOND: Final = 1 / 1000


@dataclass(frozen=True, slots=True)
class TcpState:
    """What the kernel knows of a connection."""

    probes: int  # sent to a shut window, and not answered
    unacked: int  # segments
    since_sent: float  # seconds since data was sent, also again
    since_answer: float  # seconds since the peer's kernel answered

    @classmethod
    def of(cls, sock: socket.socket) -> TcpState:
        """Return the state of a connection. Raises OSError."""
        values = _TCP_INFO.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))
        return cls(
            probes=values[_PROBES],
            unacked=values[_UNACKED],
            since_sent=values[_LAST_DATA_SENT] * _MILLISECOND,
            since_answer=values[_LAST_ACK_RECEIVED] * _MILLISECOND,
        )

    def is_unanswered(self, limit: float) -> bool:
        """Return whether something was sent since the last answer, and that is `limit` seconds ago."""
        is_sent = self.probes > 0 or (self.unacked > 0 and self.since_sent < self.since_answer)
        return is_sent and self.since_answer >= limit


class DeadPeers:
    """Closes the RELP connections of dead peers; no other peer is sent anything."""

    def __init__(self, connections: Connections, limit: float = DEAD_AFTER) -> None:
        """Close after `limit` seconds without an answer."""
        self._connections = connections
        self._limit = limit
        self._suspects: set[RelpConnection] = set()  # unanswered at the last check

    def check(self) -> None:
        """Close connections that were unanswered at the last check, too; to be called every second.

        Twice, because the answer to the latest segment may be on its way.
        """
        before, self._suspects = self._suspects, set()
        oldest = time.monotonic() - self._limit
        for connection in self._connections:
            if isinstance(connection, RelpConnection) and connection.last_read < oldest:
                try:
                    is_suspect = TcpState.of(connection.sock).is_unanswered(self._limit)
                except OSError:  # the next turn of the reader finds out
                    continue
                if is_suspect and connection in before:
                    self._connections.close(connection, "dead peer")
                elif is_suspect:
                    self._suspects.add(connection)
