"""What the RELP connections of a collector have in common: whose streams they carry, and who talks most."""

from __future__ import annotations

import time
from asyncio import Event
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.collector.network.relp_connection import Relp

OPEN_WITHIN = 10.0  # seconds from the first byte of a connection until its `open` is complete
NAMES = 1000  # whose bytes are counted; then the lesser half is forgotten
SHOWN = 10  # of them


class Clients:
    """Kept by the loop. `durable` says what the store has of a stream, `forget` has it forgotten."""

    def __init__(self, durable: Callable[[bytes], int], forget: Callable[[bytes], None]) -> None:
        """Begin with none."""
        self.durable = durable
        self._forget = forget
        self.connected: dict[bytes, Relp] = {}  # by stream
        self._opening: dict[Relp, float] = {}  # since when
        self._bytes: Counter[str] = Counter()  # by the name a client gives itself
        self._unanswered = 0  # frames
        self.unsent = 0  # bytes of answers that no peer has taken
        self.answered = Event()
        self.answered.set()
        self.on_replaced: Callable[[Relp], None] = lambda _: None

    def enter(self, connection: Relp) -> None:
        """Expect an `open` of a new connection."""
        self._opening[connection] = time.monotonic()

    def opened(self, connection: Relp) -> None:
        """Note that the `open` has come; an older connection of the same stream is closed."""
        self._opening.pop(connection, None)
        if connection.stream is not None:
            older = self.connected.get(connection.stream)
            self.connected[connection.stream] = connection
            if older is not None:
                self.on_replaced(older)

    def leave(self, connection: Relp, *, in_peace: bool) -> None:
        """Note that a connection is no more; a stream that ended `in_peace` need not be known any longer."""
        self._opening.pop(connection, None)
        stream = connection.stream
        if stream is not None and self.connected.get(stream) is connection:
            del self.connected[stream]
            if in_peace:
                self._forget(stream)

    def overdue(self) -> list[Relp]:
        """List the connections that have not said in time what they want."""
        latest = time.monotonic() - OPEN_WITHIN
        return [connection for connection, since in self._opening.items() if since < latest]

    def owe(self, count: int) -> None:
        """Note so many more frames to be answered."""
        self._unanswered += count
        self.answered.clear()

    def settle(self, count: int) -> None:
        """Note so many that are answered, or whose connection has gone."""
        self._unanswered -= count
        if not self._unanswered:
            self.answered.set()

    def count(self, name: str, size: int) -> None:
        """Count the bytes of a client."""
        self._bytes[name] += size
        if len(self._bytes) > NAMES:
            self._bytes = Counter(dict(self._bytes.most_common(NAMES // 2)))

    def busiest(self) -> list[dict[str, object]]:
        """Give who sent most since the start, by the names they gave themselves."""
        return [{"name": name, "bytes": size} for name, size in self._bytes.copy().most_common(SHOWN)]
