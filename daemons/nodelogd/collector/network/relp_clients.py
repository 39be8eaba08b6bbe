"""What the RELP connections of a collector have in common: whose streams they carry, and who talks most."""

from __future__ import annotations

import time
from asyncio import Event
from collections import Counter
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN_TIMEOUT = 10.0  # seconds from the first byte of a connection until its `open` is complete
MAX_NAMES = 1000  # whose bytes are counted; then the lesser half is forgotten
BUSIEST_SHOWN = 10  # of them


class Client(Protocol):
    """A connection, as far as this table looks at it."""

    @property
    def stream(self) -> bytes | None:
        """The stream that its `open` named, if any."""


ClientT = TypeVar("ClientT", bound=Client)


class RelpClients(Generic[ClientT]):
    """Kept by the loop. `durable` says what the store has of a stream, `forget` has it forgotten."""

    def __init__(self, durable: Callable[[bytes], int], forget: Callable[[bytes], None]) -> None:
        """Begin with none."""
        self.durable = durable
        self._forget = forget
        self.connected: dict[bytes, ClientT] = {}  # by stream
        self._opening: dict[ClientT, float] = {}  # since when
        self._bytes: Counter[str] = Counter()  # by the name a client gives itself
        self._unanswered = 0  # frames
        self.unsent = 0  # bytes of answers that no peer has taken
        self.answered = Event()
        self.answered.set()
        self.on_replaced: Callable[[ClientT], None] = lambda _: None

    def enter(self, connection: ClientT) -> None:
        """Expect an `open` of a new connection."""
        self._opening[connection] = time.monotonic()

    def opened(self, connection: ClientT) -> None:
        """Note that the `open` has come; an older connection of the same stream is closed."""
        self._opening.pop(connection, None)
        if connection.stream is not None:
            older = self.connected.get(connection.stream)
            self.connected[connection.stream] = connection
            if older is not None:
                self.on_replaced(older)

    def leave(self, connection: ClientT, *, cleanly: bool) -> None:
        """Note that a connection is no more; a stream that ended `in_peace` need not be known any longer."""
        self._opening.pop(connection, None)
        stream = connection.stream
        if stream is not None and self.connected.get(stream) is connection:
            del self.connected[stream]
            if cleanly:
                self._forget(stream)

    def without_open(self) -> list[ClientT]:
        """List the connections that have not said in time what they want."""
        latest = time.monotonic() - OPEN_TIMEOUT
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
        if len(self._bytes) > MAX_NAMES:
            self._bytes = Counter(dict(self._bytes.most_common(MAX_NAMES // 2)))

    def busiest(self) -> list[dict[str, object]]:
        """Give who sent most since the start, by the names they gave themselves."""
        return [{"name": name, "bytes": size} for name, size in self._bytes.copy().most_common(BUSIEST_SHOWN)]
