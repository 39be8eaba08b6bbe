"""The client's side of one RELP connection, to nodelog's collector or to any other RELP server.

It tracks what was negotiated and what is unanswered. Its owner knows what to send and what to send again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from nodelog.wire.errors import WireError, collect
from nodelog.wire.frames import LARGEST_NUMBER, TRAILER, Decoder, Frame, Oversized, encode, encode_header
from nodelog.wire.offers import SOFTWARE, Offers, format_offers, parse_offers, sanitize

if TYPE_CHECKING:
    from typing import TypeAlias

VERSION: Final = 0
"""The RELP version; librelp sends it, so every server accepts it. 1 means the same."""
DEFAULT_MAX_DATA: Final = 8096
"""Bytes of a message if the server states no limit. rsyslog acks a longer one, but truncates it."""

_MAX_ANSWER_BYTES: Final = 64 * 1024
_ANSWER: Final = re.compile(rb"([0-9]{3})( [^\n]*)?(?:\n(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Welcome:
    """The server is ready.

    With `lines` send blocks, without it messages, of at most `max_data` bytes. `durable` is the last block of
    the stream that will not be lost, 0 for none: send the block after it first, or the lowest one offered if
    that is higher. None: the server keeps no streams.
    """

    durable: int | None
    max_data: int
    lines: bool


@dataclass(frozen=True, slots=True)
class Acked:
    """The oldest unanswered block or message is stored."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The oldest unanswered message will never be stored."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refuses this client; the connection cannot be used."""

    reason: str


@dataclass(frozen=True, slots=True)
class ServerClosing:
    """The server will close; send what is unanswered by then again, over the next connection."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The server has answered our `close`."""


Event: TypeAlias = "Welcome | Acked | Rejected | Refused | ServerClosing | Closed"

_OK: Final = b"200 OK"  # nearly every answer is this
_ACKED: Final = Acked()


class ClientSession:
    """One connection to a server: send `hello()`, wait for Welcome, send frames, `close()`, wait for Closed.

    `frames` is what to offer: blocks of lines, which only nodelog's collector accepts, or messages alone.
    `stream` is the 16 bytes of its id and the number of the lowest block held; it needs `frames="lines"`.
    After a WireError close the connection.
    """

    def __init__(
        self,
        *,
        stream: tuple[bytes, int] | None,
        name: str | None,
        frames: Literal["lines", "syslog"] = "lines",
    ) -> None:
        commands = (b"syslog", b"lines") if frames == "lines" else (b"syslog",)
        self._offers = Offers(version=VERSION, software=SOFTWARE, commands=commands, stream=stream, name=name)
        self._decoder = Decoder(max_data=_MAX_ANSWER_BYTES)
        self._next_txnr = 1
        self._oldest_txnr = 1  # the oldest unanswered frame; equal to _next_txnr if there is none
        self._sends_blocks = False
        self._close_txnr = 0

    @property
    def unacknowledged(self) -> int:
        """The number of unanswered frames."""
        return self._next_txnr - self._oldest_txnr

    @property
    def is_exhausted(self) -> bool:
        """True if only `close` may still be sent: librelp fails when transactions start at 1 again."""
        return self.frames_left <= 0

    @property
    def frames_left(self) -> int:
        """The number of frames that may still be sent before `close`."""
        return LARGEST_NUMBER - self._next_txnr

    def hello(self) -> bytes:
        """Return the first frame, which opens the session."""
        return encode(self._take_txnr(), b"open", format_offers(self._offers))

    def block(self, data: bytes | memoryview) -> tuple[bytes, bytes | memoryview, bytes]:
        """Return the frame of a block of whole lines, in pieces for sendmsg; an empty block is a probe."""
        return encode_header(self._take_txnr(), b"lines", len(data)), data, TRAILER

    def message(self, line: bytes | memoryview) -> bytes:
        """Return the frame of one message: a line without its LF."""
        return encode(self._take_txnr(), b"syslog", line)

    def reserve_transactions(self, count: int) -> range:
        """Reserve the numbers of the next frames, for an owner that encodes many of them at once."""
        first = self._next_txnr
        self._next_txnr = first + count
        return range(first, first + count)

    def close(self) -> bytes:
        """Return the last frame, which closes the session."""
        self._close_txnr = self._take_txnr()
        return encode(self._close_txnr, b"close")

    def feed(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Return the events that these bytes complete, ignoring unknown commands. Raises WireError."""
        return collect(filter(None, map(self._to_event, self._decoder.decode(data))))

    def _take_txnr(self) -> int:
        txnr = self._next_txnr
        self._next_txnr = txnr + 1
        return txnr

    def _to_event(self, frame: Frame | Oversized) -> Event | None:
        match frame:
            case Frame(command=b"rsp"):
                return self._on_answer(frame)
            case Frame(command=b"serverclose"):
                return ServerClosing()
            case _:
                return None

    def _on_answer(self, frame: Frame) -> Event:
        txnr = frame.txnr
        if txnr != self._oldest_txnr or txnr == self._next_txnr:
            unanswered = f"{self.unacknowledged} frames from {self._oldest_txnr} on are unanswered"
            raise WireError(f"answer to transaction {txnr}, but {unanswered}")
        self._oldest_txnr = txnr + 1
        data = bytes(frame.data)
        if txnr == self._close_txnr:  # librelp answers it without data
            return Closed()
        if data == _OK and txnr != 1:
            return _ACKED
        answer = _ANSWER.fullmatch(data)
        if answer is None:
            raise WireError(f"answer {data[:80]!r} does not begin with a number of three digits")
        return self._on_opened(answer) if txnr == 1 else self._on_stored(answer)

    def _on_stored(self, answer: re.Match[bytes]) -> Acked | Rejected:
        if answer[1] == b"200":
            return _ACKED
        if self._sends_blocks:
            raise WireError(f"a block was answered with: {_text(answer)}")
        return Rejected(_text(answer))

    def _on_opened(self, answer: re.Match[bytes]) -> Welcome | Refused:
        if answer[1] == b"200":
            return self._welcome(parse_offers(answer[3] or b""))
        return Refused(_text(answer))

    def _welcome(self, answer: Offers) -> Welcome | Refused:
        if answer.version > VERSION:
            raise WireError(f"the server answers with relp_version {answer.version}, {VERSION} was offered")
        ours, commands = self._offers, answer.commands
        self._sends_blocks = b"lines" in commands and b"lines" in ours.commands
        if not self._sends_blocks and b"syslog" not in commands:
            return Refused("the server accepts neither lines nor syslog")
        stream = answer.stream if ours.stream and self._sends_blocks else None
        if stream and ours.stream and stream[0] != ours.stream[0]:
            raise WireError(
                f"the server answers for stream {stream[0].hex()}, {ours.stream[0].hex()} was offered"
            )
        return Welcome(stream[1] if stream else None, answer.max_data or DEFAULT_MAX_DATA, self._sends_blocks)


def _text(answer: re.Match[bytes]) -> str:
    """Return the first line of an answer, with its number."""
    return sanitize(answer[0].partition(b"\n")[0].decode(errors="replace"))
