"""State shared by all RELP connections: which connection carries which stream, and who sends most."""

from __future__ import annotations

import time
from asyncio import Event
from collections import Counter
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds until `open` is complete: from the first bytes of RELP, or from accept with --relp-listen.
OPEN_TIMEOUT = 10.0
MAX_NAMES = 1000  # names whose bytes are counted; beyond, the half with fewer bytes is forgotten
BUSIEST_SHOWN = 10  # names in `busiest`


class CarriesStream(Protocol):
    """A RELP connection, as far as `RelpClients` reads it."""

    @property
    def stream(self) -> bytes | None:
        """The stream that its `open` named, or None."""


ConnectionT = TypeVar("ConnectionT", bound=CarriesStream)


class RelpClients(Generic[ConnectionT]):
    """The streams and totals of all RELP connections. Changed in the event loop only.

    `last_durable_block` returns the number of the last block of a stream that is durable in the store;
    `forget_stream` removes a stream from the store.
    """

    def __init__(
        self, last_durable_block: Callable[[bytes], int], forget_stream: Callable[[bytes], None]
    ) -> None:
        self.last_durable_block = last_durable_block
        self._forget_stream = forget_stream
        self.by_stream: dict[bytes, ConnectionT] = {}
        self._unopened: dict[ConnectionT, float] = {}  # connection: time it was added
        self._bytes: Counter[str] = Counter()  # received bytes by the name that a client gives itself
        self._unanswered = 0  # frames of all connections
        self.unsent = 0  # bytes of responses that the sockets have not accepted yet, of all connections
        self.all_answered = Event()
        self.all_answered.set()
        self.on_replaced: Callable[[ConnectionT], None] = lambda _: None

    def add(self, connection: ConnectionT) -> None:
        """Add a new connection and wait for its `open`."""
        self._unopened[connection] = time.monotonic()

    def set_opened(self, connection: ConnectionT) -> None:
        """Record that `open` has arrived. An older connection of the same stream is closed."""
        self._unopened.pop(connection, None)
        if connection.stream is not None:
            older = self.by_stream.get(connection.stream)
            self.by_stream[connection.stream] = connection
            if older is not None:
                self.on_replaced(older)

    def remove(self, connection: ConnectionT, *, finished: bool) -> None:
        """Remove a connection. A stream that its client has `finished` is forgotten."""
        self._unopened.pop(connection, None)
        stream = connection.stream
        if stream is not None and self.by_stream.get(stream) is connection:
            del self.by_stream[stream]
            if finished:
                self._forget_stream(stream)

    def without_open(self) -> list[ConnectionT]:
        """Return the connections whose `open` is overdue."""
        latest = time.monotonic() - OPEN_TIMEOUT
        return [connection for connection, since in self._unopened.items() if since < latest]

    def add_unanswered(self, count: int) -> None:
        """Add `count` frames that must be answered."""
        self._unanswered += count
        self.all_answered.clear()

    def remove_unanswered(self, count: int) -> None:
        """Remove `count` frames that are answered or whose connection is gone."""
        self._unanswered -= count
        if not self._unanswered:
            self.all_answered.set()

    def count_bytes(self, name: str, size: int) -> None:
        """Count received bytes of a client."""
        self._bytes[name] += size
        if len(self._bytes) > MAX_NAMES:
            self._bytes = Counter(dict(self._bytes.most_common(MAX_NAMES // 2)))

    def busiest(self) -> list[dict[str, object]]:
        """Return the clients that sent most since the start, by the names they gave themselves."""
        return [{"name": name, "bytes": size} for name, size in self._bytes.copy().most_common(BUSIEST_SHOWN)]
