"""A client of RELP for tests: `nodelog.wire` over a socket, doing each step when a test says so."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.running import PATIENCE, wait_for

from nodelog.wire.client_session import Acked, ClientSession, Closed, Rejected, ServerClosing, Welcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Literal, Self

    from nodelog.wire.client_session import Event

STREAM = b"stream number 1."


class RelpClient:
    """One connection."""

    def __init__(
        self,
        sock: socket.socket,
        stream: tuple[bytes, int] | None = None,
        *,
        name: str | None = None,
        frames: Literal["lines", "syslog"] = "lines",
    ) -> None:
        """Send `open` on a connected socket."""
        self.sock = sock
        self.session = ClientSession(stream=stream, name=name, frames=frames)
        self.events: list[Event] = []
        self.is_ended = False  # by the server
        sock.sendall(self.session.hello())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def welcome(self) -> Welcome:
        """Wait for the answer to `open`."""
        self.until(lambda: any(isinstance(event, Welcome) for event in self.events))
        return next(event for event in self.events if isinstance(event, Welcome))

    def send(self, *blocks: bytes) -> None:
        """Send blocks, without waiting."""
        self.sock.sendall(b"".join(bytes(part) for block in blocks for part in self.session.block(block)))

    def message(self, *messages: bytes) -> None:
        """Send messages, without waiting."""
        self.sock.sendall(b"".join(map(self.session.message, messages)))

    def store(self, *blocks: bytes) -> None:
        """Send blocks and wait until they are answered."""
        self.send(*blocks)
        self.wait_for_acks()

    def wait_for_acks(self) -> None:
        """Wait until nothing is unanswered."""
        self.until(lambda: not self.session.unacknowledged)

    def say_close(self) -> None:
        """Say that it is done, and wait for the answer and the end of the connection."""
        self.sock.sendall(self.session.close())
        self.until(lambda: self.is_ended)
        assert Closed() in self.events

    def until(self, fact: object) -> None:
        """Read what comes until something is so."""
        assert callable(fact)
        wait_for(lambda: fact() or (self.read(0.05) and fact()), "the server answers")

    def until_ended(self) -> None:
        """Read until the server has ended the connection, in peace or not."""
        self.until(lambda: self.is_ended)

    def read(self, timeout: float = PATIENCE) -> bool:
        """Read once; say whether something came."""
        if self.is_ended:
            return False
        self.sock.settimeout(timeout)
        try:
            data = self.sock.recv(256 * 1024)
        except TimeoutError:
            return False
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        finally:
            with suppress(OSError):
                self.sock.settimeout(PATIENCE)
        self.is_ended = not data
        self.events += self.session.feed(data)
        return bool(data)

    @property
    def acked(self) -> int:
        """How many frames are answered with 200, `open` and `close` aside."""
        return sum(isinstance(event, Acked) for event in self.events)

    @property
    def rejected(self) -> list[str]:
        """Why frames were rejected."""
        return [event.reason for event in self.events if isinstance(event, Rejected)]

    @property
    def is_told(self) -> bool:
        """Say whether the server has announced that it closes."""
        return ServerClosing() in self.events


def connected(port: int, stream: tuple[bytes, int] | None = None, *, name: str | None = None) -> RelpClient:
    """Connect to a collector on this machine; the answer to `open` is not waited for."""
    return RelpClient(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE), stream, name=name)


def block(number: int, lines: int = 3, name: str = "block") -> bytes:
    """Give a block that says which it is."""
    return b"".join(b"%s %06d line %d\n" % (name.encode(), number, line) for line in range(lines))


def blocks(numbers: Sequence[int], lines: int = 3, name: str = "block") -> bytes:
    """Give the lines of several."""
    return b"".join(block(number, lines, name) for number in numbers)
