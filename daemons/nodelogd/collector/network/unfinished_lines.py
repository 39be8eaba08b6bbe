"""Reports lines that do not end: held for a second or more without an LF, or dropped in the end."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nodelogd.collector.network.framing.recognition import SAMPLE_SIZE, recognise
from nodelogd.collector.network.relp_connection import RelpConnection
from nodelogd.collector.network.stamp import peer_name
from nodelogd.service.rate_limited_log import RateLimitedLog

if TYPE_CHECKING:
    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.connections import Connection, Connections

log = logging.getLogger(__name__)

MUCH: Final = 4096  # bytes; less than that is reported only if its framing is recognised
REPEAT_LOG_AFTER: Final = 60.0  # seconds; any peer can cause these messages


class UnfinishedLines:
    """Watches the unfinished lines of all connections. Frames of RELP are no concern: they are sent again."""

    def __init__(self, connections: Connections, metrics: Metrics) -> None:
        """Get each line that is dropped from now on."""
        self._connections = connections
        self._metrics = metrics
        self._previous: dict[Connection, int] = {}  # bytes held at the last check
        self._dropped_at_stop = 0
        self._dropped_bytes = 0
        self._hint = ""
        self._log = RateLimitedLog(log, REPEAT_LOG_AFTER)
        connections.on_drop = self.note_drop

    def check(self) -> None:
        """Warn of connections that hold much, or something else than lines, since the last check."""
        previous, self._previous = self._previous, {}
        if not self._connections.unfinished:
            self._metrics.unended.set(0)
            return
        found = 0
        for connection in self._connections:
            held = connection.unfinished
            if held and not isinstance(connection, RelpConnection):
                self._previous[connection] = held
                found += previous.get(connection, held + 1) <= held and self._warn(connection)
        self._metrics.unended.set(found)

    def note_drop(self, connection: Connection, reason: str) -> None:
        """Report an unfinished line that is about to be dropped; at the stop, all of them together."""
        if isinstance(connection, RelpConnection):
            return
        hint = _hint(connection)
        if reason == "stop":
            self._dropped_at_stop += 1
            self._dropped_bytes += connection.unfinished
            self._hint = self._hint or hint
            return
        text = "dropped %d bytes of %s that no LF ended (%s); its sender knows that they did not arrive%s"
        size = connection.unfinished
        self._log.log(logging.WARNING, f"drop {reason}", text, size, _name(connection), reason, hint)

    def report_stop(self) -> None:
        """Report the unfinished lines that the stop dropped."""
        if self._dropped_at_stop:
            text = (
                "dropped the last %d bytes of %d connections, which no LF ended; "
                "their senders were reset and know that they did not arrive%s"
            )
            log.warning(text, self._dropped_bytes, self._dropped_at_stop, self._hint)

    def _warn(self, connection: Connection) -> bool:
        """Warn of a connection whose bytes are not in the log; return whether there is a reason to."""
        hint = _hint(connection)
        if not hint and connection.unfinished < MUCH:
            return False
        text = "%s has sent %d bytes without the end of a line, which are not in the log yet%s"
        self._log.log(logging.WARNING, f"held{hint}", text, _name(connection), connection.unfinished, hint)
        return True


def _hint(connection: Connection) -> str:
    if isinstance(connection, RelpConnection):
        return ""
    hint = recognise(connection.held(SAMPLE_SIZE))
    return f"; they look like {hint}" if hint else ""


def _name(connection: Connection) -> str:
    with suppress(OSError):  # it is gone already
        return peer_name(connection.sock.getpeername()).decode()
    return "a client"
