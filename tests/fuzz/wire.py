"""Fuzz `nodelog.wire` with atheris: `make fuzz`, or `python -m tests.fuzz.wire`.

However the bytes are cut, the result is the same as if they were fed at once; errors are only WireErrors, and
no more than one frame is buffered. The input mixes frames, wrong frames and noise.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import atheris

with atheris.instrument_imports(include=["nodelog"]):
    from nodelog.wire.client_session import ClientSession
    from nodelog.wire.frames import HEADER_LIMIT, Decoder, encode
    from nodelog.wire.server_session import ServerSession
    from nodelog.wire.sniffing import sniff_protocol

from tests.client.wire.byte_cuts import cut, fed

if TYPE_CHECKING:
    from collections.abc import Callable

    Feed = Callable[[bytes], list[Any]]

LIMIT = 100
PIECES = 12  # of a stream
MAX_PIECE = 160  # bytes, more than LIMIT
COMMANDS = [b"open", b"syslog", b"lines", b"close", b"rsp", b"serverclose", b"x", b"a" * 33]
TEXTS = [
    b"",
    b"200 OK",
    b"500 too large",
    b"a\nb\n",
    b"relp_version=0\ncommands=syslog,lines",
    b"relp_version=1\ncommands=lines\nnodelog_stream=000102030405060708090a0b0c0d0e0f,4",
    b"200 OK\nrelp_version=0\ncommands=lines\nnodelog_max=1000",
]


def decoder() -> Feed:
    """Return the feed of a decoder, with a check of its buffer."""
    decoding = Decoder(max_data=LIMIT, skippable=b"syslog")

    def feed(data: bytes) -> list[Any]:
        frames = decoding.feed(data)
        assert decoding.pending <= LIMIT + HEADER_LIMIT
        return frames

    return feed


def fresh_server() -> Feed:
    """Return the feed of a new server session."""
    return ServerSession(max_data=LIMIT).feed


def open_server() -> Feed:
    """Return the feed of a server session with an open stream."""
    session = ServerSession(max_data=LIMIT)
    session.feed(ClientSession(stream=(bytes(16), 7), name="fuzz").hello())
    session.accept(9)
    return session.feed


def client() -> Feed:
    """Return the feed of a client session with unacknowledged messages."""
    session = ClientSession(stream=None, name=None, frames="syslog")
    session.hello()
    for _ in range(PIECES):
        session.message(b"line")
    return session.feed


def stream(source: Any) -> bytes:  # noqa: ANN401 - atheris has no types
    """Generate what a peer sends."""
    sent = b""
    for txnr in range(source.ConsumeIntInRange(1, 2), PIECES):
        kind = source.ConsumeIntInRange(0, 3)
        data = source.PickValueInList(TEXTS) if kind & 1 else source.ConsumeBytes(MAX_PIECE)
        if kind & 2:
            data = encode(txnr, source.PickValueInList(COMMANDS), data)
        sent += data
    return sent + bytes(source.ConsumeBytes(sys.maxsize))


def check(data: bytes) -> None:
    """Feed a stream to each session whole and in pieces, and compare."""
    source = atheris.FuzzedDataProvider(data)
    places = source.ConsumeIntListInRange(source.ConsumeIntInRange(0, 6), 0, 1000)
    sent = stream(source)
    pieces = cut(sent, places)
    for make in (decoder, fresh_server, open_server, client):
        assert fed(make(), pieces) == fed(make(), [sent])
    early = sniff_protocol(pieces[0] if pieces else b"")
    assert early in (None, sniff_protocol(sent))


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
