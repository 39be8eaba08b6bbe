"""Connections that say nothing for too long."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from nodelogd.collector.network.connections import set_reset_on_close
from nodelogd.collector.network.relp_connection import RelpConnection

if TYPE_CHECKING:
    from nodelogd.collector.network.connections import Connection
    from nodelogd.collector.network.reader import Reader
    from nodelogd.collector.network.relp_clients import RelpClients


def close_idle(reader: Reader, timeout: float) -> None:
    """Close the connections that have sent nothing for `timeout` seconds.

    A client of lines that does not look for the end of a connection loses the line it writes next into a
    closed one; into one that was reset it cannot write. A line it was in the middle of is dropped and
    counted. One of RELP that waits for an answer is not idle.
    """
    if reader.is_paused:
        return  # they may well have sent something
    oldest = time.monotonic() - timeout
    for connection in [c for c in reader.connections if c.active < oldest]:
        if isinstance(connection, RelpConnection):
            if connection.owes_response or not _is_silent(connection):
                continue
            connection.send_server_close()
        elif _is_silent(connection):
            set_reset_on_close(connection)
        else:
            continue
        reader.connections.close(connection, "idle")


def close_unopened(reader: Reader, clients: RelpClients[RelpConnection]) -> None:
    """Close the RELP connections that have not said in time what they want."""
    if not reader.is_paused:
        for connection in filter(_is_silent, clients.without_open()):
            reader.connections.close(connection, "no open")


def _is_silent(connection: Connection) -> bool:
    """Say whether nothing waits to be read; what the next turn finds, be it an end, is left to it."""
    try:
        connection.sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
