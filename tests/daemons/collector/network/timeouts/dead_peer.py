"""A peer that vanishes: in a network of its own, whose only interface goes down.

`unshare --net python -m tests.daemons.collector.network.timeouts.dead_peer CASE` prints why the collector
closed the connection. `CASE` is `idle` or `unanswered`; all times are a tenth of the real ones.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tests.daemons.collector.reader_harness import ReaderHarness, tcp_pair

from nodelogd.collector.network.timeouts.dead_peers import DeadPeers

if TYPE_CHECKING:
    from nodelogd.collector.network.connections import Connection

SET_FLAGS = 0x8914  # SIOCSIFFLAGS
UP = 1  # IFF_UP


class Peer:
    """A client and the socket that a collector accepted for it."""

    def __enter__(self) -> Self:
        """Connect."""
        self._stack = ExitStack()
        self.client, self.accepted = map(self._stack.enter_context, tcp_pair())
        return self

    def __exit__(self, *_: object) -> None:
        """Close both."""
        self._stack.close()


def set_loopback(*, up: bool) -> None:
    """Set the loopback interface of this network up or down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SET_FLAGS, struct.pack("16sh", b"lo", UP if up else 0))


async def open_session(harness: ReaderHarness, client: socket.socket) -> Connection:
    """Open a RELP session; return its connection once it has answered."""
    offers = b"relp_version=0\ncommands=syslog"
    client.sendall(b"1 open %d %b\n" % (len(offers), offers))
    client.setblocking(False)
    assert b"200 OK" in await asyncio.get_running_loop().sock_recv(client, 1000)
    (connection,) = harness.connections
    return connection


async def vanish(case: str) -> str:
    """Return the reason for which a connection was closed after its peer vanished."""
    harness = ReaderHarness()
    dead_peers = DeadPeers(harness.connections, limit=2.5)
    client = harness.connect_undecided()
    connection = await open_session(harness, client)
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
        connection.sock.setsockopt(socket.IPPROTO_TCP, option, 1)
    set_loopback(up=False)
    if case == "unanswered":
        connection.sock.send(b"a response")
    while harness.connections:
        if case == "unanswered":
            dead_peers.check()
        await asyncio.sleep(0.1)
    reasons = ("reset", "dead peer", "end of stream")
    return next(r for r in reasons if harness.metric("nodelog_connections_closed_total", reason=r))


def main() -> None:
    """Run one case."""
    set_loopback(up=True)
    sys.stdout.write(asyncio.run(vanish(sys.argv[1])) + "\n")


if __name__ == "__main__":
    main()
