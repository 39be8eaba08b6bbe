"""Whether the kernel at the other end of a connection still answers: its path may swallow packets in silence.

A stale entry of a packet filter, a lost NAT entry, a dead node: no reset comes, and Linux goes on for a
quarter of an hour. An idle connection is covered by keepalive. While data is under way, keepalive is off, and
TCP_INFO says how often it was sent again and when the other side was last heard.

Only a kernel that does not answer is dead. A collector whose disk hangs answers nothing for as long as that
takes, but its kernel acknowledges what it receives and, once its window is shut, answers each window probe.
If it lacks memory, it answers, but drops the data: only retransmissions after its last answer count.
TCP_USER_TIMEOUT does not make this difference: it also ends a connection whose window is shut.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import _socket  # its class is the base of the one in `socket`

CHECK_SECONDS: Final = 5.0
"""The time between two checks while something is under way."""
SILENT_SECONDS: Final = 15.0
"""The time without any answer, counted from the first check, after which a path is dead."""

_KEEPALIVE: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPALIVE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Dead after 25 s. The first name is Linux's, the second one macOS's, for the same."""
_TCP_INFO: Final[int | None] = getattr(socket, "TCP_INFO", None)
_STRUCT: Final = struct.Struct(
    "=2x B B 4x 4x 4x 4x 4x I 16x I 4x I I"
)  # the fields of TcpState, in their order
_MIN_RETRANSMITS: Final = 3
_MIN_PROBES: Final = 2


@dataclass(frozen=True, slots=True)
class TcpState:
    """What a kernel knows of a connection, as far as it matters here."""

    retransmits: int
    """How often the oldest unacknowledged segment was sent again."""
    probes: int
    """Window probes in a row without an answer."""
    unacked: int
    """Segments under way."""
    last_sent: int
    """Milliseconds since data was sent, for the first time or again."""
    last_data: int
    """Milliseconds since data was received."""
    last_ack: int
    """Milliseconds since anything acknowledged something."""

    @property
    def is_waiting(self) -> bool:
        """Whether an answer of the other kernel is due."""
        return bool(self.probes or (self.unacked and self.last_sent < self._last_heard))

    @property
    def heard_seconds(self) -> float:
        """The seconds since anything came from the other side."""
        return self._last_heard / 1000

    @property
    def _last_heard(self) -> int:
        return min(self.last_data, self.last_ack)


class PathCheck:
    """Checks one connection every CHECK_SECONDS, as long as an answer is due."""

    def __init__(self) -> None:
        self._waiting_since: float | None = None  # since when nothing was heard, as far as it was watched
        self._answered_retransmits = 0  # the retransmits until then

    def silent_seconds(self, state: TcpState | None, now: float) -> float:
        """Return for how long the other kernel has not answered if that means that it is dead, else 0."""
        if state is None or not state.is_waiting:
            self._waiting_since = None
            self._answered_retransmits = state.retransmits if state else 0
            return 0.0
        if self._waiting_since is None or now - state.heard_seconds > self._waiting_since:
            self._waiting_since = now
        seconds = now - self._waiting_since
        return seconds if self._was_repeated(state) and seconds >= SILENT_SECONDS else 0.0

    def _was_repeated(self, state: TcpState) -> bool:
        """Return whether it was asked so often that a few lost packets do not explain its silence."""
        self._answered_retransmits = min(self._answered_retransmits, state.retransmits)  # a new segment
        unanswered = state.retransmits - self._answered_retransmits
        return unanswered >= _MIN_RETRANSMITS or state.probes >= _MIN_PROBES


def enable_keepalive(connection: _socket.socket) -> None:
    """Have the kernel end the connection when the other one has not answered for 25 s while it is idle."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:
            with suppress(OSError):  # a kernel that lacks it has its own times
                connection.setsockopt(socket.IPPROTO_TCP, option, value)


def read_tcp_state(connection: _socket.socket) -> TcpState | None:
    """Return the state of a connection; None where the kernel does not tell, as on macOS."""
    if _TCP_INFO is None:
        return None
    try:
        data = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _STRUCT.size)
    except OSError:
        return None
    return TcpState(*_STRUCT.unpack(data)) if len(data) == _STRUCT.size else None
