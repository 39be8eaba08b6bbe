"""Decoders of framings other than LF: from bytes to messages, no sockets and no clock.

A message that is longer than the limit comes in pieces of that size, so what a decoder holds is bounded.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Protocol

HEADER = re.compile(rb"[1-9][0-9]{0,9} ")
HEADER_START = re.compile(rb"[1-9][0-9]{0,9}")
BETWEEN = b"\n\0"  # what some senders put between messages


class Framing(Enum):
    """How the messages of a connection are told apart."""

    LF = "lf"
    NUL = "nul"  # GELF, logging.handlers.SysLogHandler
    OCTET_COUNTING = "octet-counting"  # RFC 6587, section 3.4.1


class Decoder(Protocol):
    """Takes bytes and returns messages."""

    pieces: int  # cut from messages that were too long

    @property
    def pending(self) -> int:
        """Bytes held: of the message that is not complete yet, and of its header."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that these bytes complete."""

    def start(self) -> bytes:
        """Return the bytes held."""

    def take_rest(self) -> bytes:
        """Return what is there of an unfinished message, and continue after it."""


class NulDecoder:
    """Messages that end with a NUL."""

    def __init__(self, limit: int) -> None:
        """Cut messages into pieces of `limit` bytes."""
        self.pieces = 0
        self._limit = limit
        self._tail = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of the message that is not complete yet."""
        return len(self._tail)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that these bytes complete."""
        first, *others = data.split(b"\0")
        self._tail += first
        messages = self._cut_tail()
        for other in others:
            messages.append(bytes(self._tail))
            self._tail[:] = other
            messages += self._cut_tail()
        return messages

    def start(self) -> bytes:
        """Return the bytes held."""
        return bytes(self._tail)

    def take_rest(self) -> bytes:
        """Return what is there of an unfinished message."""
        rest = bytes(self._tail)
        self._tail.clear()
        return rest

    def _cut_tail(self) -> list[bytes]:
        limit, cut = self._limit, []
        while len(self._tail) > limit:
            cut.append(bytes(self._tail[:limit]))
            del self._tail[:limit]
        self.pieces += len(cut)
        return cut


class OctetCountingDecoder:
    """Messages that begin with their length and a space; where there is no length, an LF ends the message.

    That is what rsyslog does, too: some senders mix both.
    """

    def __init__(self, limit: int) -> None:
        """Cut messages into pieces of `limit` bytes."""
        self.pieces = 0
        self._limit = limit
        self._buffer = bytearray()
        self._left = 0  # bytes of the current message that were not returned yet
        self._searched = 0  # bytes of the buffer in which there is no LF, for a message without a length

    @property
    def pending(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that these bytes complete."""
        self._buffer += data
        messages: list[bytes] = []
        at = 0
        while (end := self._next(at, messages)) is not None:
            at = end
        del self._buffer[:at]
        return messages

    def start(self) -> bytes:
        """Return the bytes held."""
        return bytes(self._buffer)

    def take_rest(self) -> bytes:
        """Return what is there of an unfinished message; the rest of that message is one of its own."""
        rest = bytes(self._buffer)
        self._left = max(0, self._left - len(rest))
        self._buffer.clear()
        self._searched = 0
        return rest

    def _next(self, at: int, messages: list[bytes]) -> int | None:
        """Take a message, a piece or a header from offset `at`; return where the next one begins."""
        buffer = self._buffer
        if self._left:
            size = min(self._left, self._limit)
            if len(buffer) - at < size:
                return None
            messages.append(bytes(buffer[at : at + size]))
            self._left -= size
            self.pieces += self._left > 0
            return at + size
        if at < len(buffer) and buffer[at] in BETWEEN:
            return at + 1
        if header := HEADER.match(buffer, at):
            self._left = int(header[0])
            return header.end()
        start = HEADER_START.match(buffer, at)
        if at == len(buffer) or (start and start.end() == len(buffer)):
            return None
        return self._next_line(at, messages)

    def _next_line(self, at: int, messages: list[bytes]) -> int | None:
        """Take a message without a length, up to its LF."""
        buffer, limit = self._buffer, self._limit
        end = buffer.find(b"\n", at + self._searched, at + limit + 1)
        if end < 0 and len(buffer) - at <= limit:
            self._searched = len(buffer) - at
            return None
        self._searched = 0
        if end < 0:
            messages.append(bytes(buffer[at : at + limit]))
            self.pieces += 1
            return at + limit
        messages.append(bytes(buffer[at:end]))
        return end + 1


def create_decoder(framing: Framing, limit: int) -> Decoder:
    """Return a decoder that cuts messages into pieces of `limit` bytes. Raises ValueError for LF."""
    match framing:
        case Framing.NUL:
            return NulDecoder(limit)
        case Framing.OCTET_COUNTING:
            return OctetCountingDecoder(limit)
    raise ValueError(framing)
