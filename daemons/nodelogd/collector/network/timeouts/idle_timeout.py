"""Closes connections that have been silent for too long."""

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

    Line connections are reset: a client that does not notice the end of its connection loses the next line
    it writes if the connection was closed, but cannot write it if the connection was reset. An unfinished
    line is dropped and counted. A RELP connection that waits for a response is not idle.
    """
    if reader.is_paused:
        return  # they may have sent something that was not read
    oldest = time.monotonic() - timeout
    for connection in [c for c in reader.connections if c.last_read < oldest]:
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
    """Close the RELP connections whose `open` has not arrived in time."""
    if not reader.is_paused:
        for connection in filter(_is_silent, clients.without_open()):
            reader.connections.close(connection, "no open")


def _is_silent(connection: Connection) -> bool:
    """Return True if nothing is waiting to be read. Data, EOF and errors are left to the next turn."""
    try:
        connection.sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
