"""The server's side of one RELP connection: bytes to events, answers to bytes.

It tracks what was negotiated and what is unanswered. Its owner knows which blocks are durable and when to
answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from nodelog.wire.errors import WireError, collect
from nodelog.wire.frames import LARGEST_NUMBER, Decoder, Frame, Oversized, encode
from nodelog.wire.offers import SOFTWARE, Offers, format_offers, parse_offers

if TYPE_CHECKING:
    from typing import TypeAlias

VERSION: Final = 1
"""The RELP version; 0, which librelp sends, means the same."""

_LF: Final = ord("\n")
_MAX_OPEN_BYTES: Final = 9999  # bytes; the longest that sniffing recognises
_KNOWN_COMMANDS: Final = (b"syslog", b"lines")


@dataclass(frozen=True, slots=True)
class Open:
    """The client's first frame; answer it with `accept`."""

    offers: Offers


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, to be stored unchanged; an empty block is a probe. `number` counts within the stream."""

    txnr: int
    number: int | None
    data: memoryview


@dataclass(frozen=True, slots=True)
class Message:
    """One message, without an LF at its end but possibly with some inside."""

    txnr: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class Close:
    """The client has finished; once this is answered, the connection may be closed."""

    txnr: int


Event: TypeAlias = "Open | Block | Message | Oversized | Close"


class ServerSession:
    """One connection from a client. `max_data` is the largest number of data bytes that a frame may have.

    A larger `syslog` frame is skipped and reported as Oversized; reject it. Any other larger frame is a
    fault. Data in events is a view of the bytes fed, see Frame. After a WireError close the connection.
    """

    def __init__(self, *, max_data: int) -> None:
        self.unacknowledged = 0
        """Frames that were returned as events and are not answered yet."""
        self._max_data = min(max_data, LARGEST_NUMBER)
        self._decoder = Decoder(max_data=_MAX_OPEN_BYTES, skippable=b"syslog")
        self._next_txnr = 1
        self._answer = Offers(version=VERSION)  # to open, except for the stream
        self._stream: tuple[bytes, int] | None = None  # as the client offered it
        self._commands: tuple[bytes, ...] = ()  # that are allowed now
        self._is_accepted = False
        self._next_number: int | None = None  # of the next block

    @property
    def pending(self) -> int:
        """The number of bytes buffered of an unfinished frame."""
        return self._decoder.pending

    def feed(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Return the events that these bytes complete. Raises WireError."""
        return collect(map(self._to_event, self._decoder.decode(data)))

    def accept(self, durable: int | None = None) -> bytes:
        """Return the answer to `open`: what the client offered and we support.

        `durable` is the last block of its stream that will not be lost, 0 for none; with None it gets no
        stream.
        """
        answer = self._answer
        if self._stream is not None and durable is not None:
            stream, lowest = self._stream
            self._next_number = max(lowest, durable + 1)
            answer = replace(answer, stream=(stream, durable))
        self._is_accepted = True
        self.unacknowledged -= 1
        return encode(1, b"rsp", b"200 OK\n" + format_offers(answer))

    def ack(self, txnr: int) -> bytes:
        """Return the answer to a stored block or message, or to a close. Answer frames in their order."""
        self.unacknowledged -= 1
        return b"%d rsp 6 200 OK\n" % txnr

    def reject(self, txnr: int, reason: str) -> bytes:
        """Return the answer to a message that will never be stored: its sender drops it."""
        self.unacknowledged -= 1
        return encode(txnr, b"rsp", f"500 {reason}".encode())

    def _to_event(self, frame: Frame | Oversized) -> Event:
        txnr, command = frame.txnr, frame.command
        if txnr != self._next_txnr:
            raise WireError(f"transaction {txnr} where {self._next_txnr} was expected")
        self._next_txnr = txnr + 1 if txnr < LARGEST_NUMBER else 1
        self.unacknowledged += 1
        if command not in self._commands:
            return self._on_control(frame)
        if isinstance(frame, Oversized):
            return frame
        return Message(txnr, frame.data) if command == b"syslog" else self._to_block(txnr, frame.data)

    def _to_block(self, txnr: int, data: memoryview) -> Block:
        if not self._is_accepted:
            raise WireError("a block arrived before the answer to open")
        if data and data[-1] != _LF:
            raise WireError(f"block of {len(data)} bytes ends with byte {data[-1]:#04x}, not with LF")
        number = self._next_number
        if number is not None:
            self._next_number = number + 1
        return Block(txnr, number, data)

    def _on_control(self, frame: Frame | Oversized) -> Open | Close:
        match frame:
            case Frame(command=b"open") if not self._answer.commands:
                return self._on_open(parse_offers(frame.data))
            case Frame(command=b"close") if self._commands:
                self._commands = ()
                return Close(frame.txnr)
        raise WireError(f"transaction {frame.txnr} is {frame.command.decode()}, which was not negotiated")

    def _on_open(self, offers: Offers) -> Open:
        self._commands = tuple(command for command in _KNOWN_COMMANDS if command in offers.commands)
        if not self._commands:
            raise WireError("the client offers neither syslog nor lines")
        lines = b"lines" in self._commands
        if offers.stream is not None and not (lines and offers.stream[1]):
            raise WireError("a stream needs the command lines, and block numbers from 1")
        self._stream = offers.stream
        self._answer = Offers(
            version=min(offers.version, VERSION),
            software=SOFTWARE if offers.software else None,
            commands=self._commands,
            max_data=self._max_data if lines else None,
        )
        self._decoder.max_data = self._max_data
        return Open(offers)
