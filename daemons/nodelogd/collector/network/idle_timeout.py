"""Connections that say nothing for too long."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from nodelogd.collector.network.connections import reset_on_close
from nodelogd.collector.network.relp_connection import Relp

if TYPE_CHECKING:
    from nodelogd.collector.network.connections import Connection
    from nodelogd.collector.network.reader import Intake
    from nodelogd.collector.network.relp_clients import Clients


def close_idle(intake: Intake, timeout: float) -> None:
    """Close the connections that have sent nothing for `timeout` seconds.

    A client of lines that does not look for the end of a connection loses the line it writes next into a
    closed one; into one that was reset it cannot write. A line it was in the middle of is dropped and
    counted. One of RELP that waits for an answer is not idle.
    """
    if intake.is_paused:
        return  # they may well have sent something
    oldest = time.monotonic() - timeout
    for connection in [c for c in intake.connections if c.active < oldest]:
        if isinstance(connection, Relp):
            if connection.is_owed or not _is_silent(connection):
                continue
            connection.say_goodbye()
        elif _is_silent(connection):
            reset_on_close(connection)
        else:
            continue
        intake.connections.close(connection, "idle")


def close_undecided(intake: Intake, clients: Clients) -> None:
    """Close the RELP connections that have not said in time what they want."""
    if not intake.is_paused:
        for connection in filter(_is_silent, clients.overdue()):
            intake.connections.close(connection, "no open")


def _is_silent(connection: Connection) -> bool:
    """Say whether nothing waits to be read; what the next turn finds, be it an end, is left to it."""
    try:
        connection.sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
