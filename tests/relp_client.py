"""A RELP client for tests: `nodelog.wire` over a socket, one step at a time."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.waiting import PATIENCE, wait_for

from nodelog.wire.client_session import Acked, ClientSession, Closed, Rejected, ServerClosing, Welcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Literal, Self

    from nodelog.wire.client_session import Event

STREAM = b"stream number 1."


class RelpClient:
    """A RELP connection."""

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
        self.is_ended = False  # the server has closed the connection
        sock.sendall(self.session.hello())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def welcome(self) -> Welcome:
        """Wait for the answer to `open`, and return it."""
        self.until(lambda: any(isinstance(event, Welcome) for event in self.events))
        return next(event for event in self.events if isinstance(event, Welcome))

    def send(self, *blocks: bytes) -> None:
        """Send blocks without waiting for acks."""
        self.sock.sendall(b"".join(bytes(part) for block in blocks for part in self.session.block(block)))

    def message(self, *messages: bytes) -> None:
        """Send syslog messages without waiting for acks."""
        self.sock.sendall(b"".join(map(self.session.message, messages)))

    def store(self, *blocks: bytes) -> None:
        """Send blocks and wait until they are acknowledged."""
        self.send(*blocks)
        self.wait_for_acks()

    def wait_for_acks(self) -> None:
        """Wait until every frame is acknowledged."""
        self.until(lambda: not self.session.unacknowledged)

    def close(self) -> None:
        """Send `close`, and wait for the answer and the end of the connection."""
        self.sock.sendall(self.session.close())
        self.until(lambda: self.is_ended)
        assert Closed() in self.events

    def until(self, fact: object) -> None:
        """Read until `fact()` is true."""
        assert callable(fact)
        wait_for(lambda: fact() or (self.read(0.05) and fact()), "the server answers")

    def until_ended(self) -> None:
        """Read until the server has closed or reset the connection."""
        self.until(lambda: self.is_ended)

    def read(self, timeout: float = PATIENCE) -> bool:
        """Read once; return whether data arrived."""
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
        """The number of frames answered with 200, without `open` and `close`."""
        return sum(isinstance(event, Acked) for event in self.events)

    @property
    def rejected(self) -> list[str]:
        """The reasons of rejected frames."""
        return [event.reason for event in self.events if isinstance(event, Rejected)]

    @property
    def is_server_closing(self) -> bool:
        """Whether the server has announced that it closes the connection."""
        return ServerClosing() in self.events


def connect(port: int, stream: tuple[bytes, int] | None = None, *, name: str | None = None) -> RelpClient:
    """Connect to a collector on this machine, without waiting for the answer to `open`."""
    return RelpClient(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE), stream, name=name)


def block(number: int, lines: int = 3, name: str = "block") -> bytes:
    """Return a block of lines that contain its number."""
    return b"".join(b"%s %06d line %d\n" % (name.encode(), number, line) for line in range(lines))


def blocks(numbers: Sequence[int], lines: int = 3, name: str = "block") -> bytes:
    """Return the lines of several blocks."""
    return b"".join(block(number, lines, name) for number in numbers)
