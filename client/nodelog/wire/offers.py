"""What the two sides of a connection offer in `open` and in its answer: lines of `name=value,...`.

Unknown offers are ignored, as librelp does; that is why its peers can talk to us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from nodelog import __version__
from nodelog.wire.errors import WireError

SOFTWARE: Final = f"nodelog,{__version__}"
"""How nodelog identifies itself."""

_TEXT_LIMIT: Final = 255  # bytes of a value, in RELP
_NUMBER: Final = re.compile(rb"[0-9]{1,9}")
_STREAM: Final = re.compile(rb"([0-9a-f]{32}),([0-9]{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What one side offers.

    `stream` is the 16 bytes of its id and a block number: the client sends the lowest block that it holds,
    the server the last block that is durable. `max_data` is the largest number of data bytes that the server
    accepts in a frame. `software` and `name` are how a peer describes itself: printable, at most 255 bytes,
    and not to be trusted.
    """

    version: int
    software: str | None = None
    commands: tuple[bytes, ...] = ()
    stream: tuple[bytes, int] | None = None
    max_data: int | None = None
    name: str | None = None


def format_offers(offers: Offers) -> bytes:
    """Return the offers as the data of a frame."""
    lines = [b"relp_version=%d" % offers.version]
    if offers.software:
        lines.append(b"relp_software=" + sanitize(offers.software).encode())
    if offers.commands:
        lines.append(b"commands=" + b",".join(offers.commands))
    if offers.stream:
        lines.append(b"nodelog_stream=%b,%d" % (offers.stream[0].hex().encode(), offers.stream[1]))
    if offers.max_data:
        lines.append(b"nodelog_max=%d" % offers.max_data)
    if offers.name:
        lines.append(b"nodelog_name=" + sanitize(offers.name).encode())
    return b"\n".join(lines)


def parse_offers(data: bytes | memoryview) -> Offers:
    """Parse the data of a frame. Raises WireError."""
    values = dict(line.partition(b"=")[::2] for line in bytes(data).split(b"\n"))
    version = _number(values, b"relp_version")
    if version is None:
        raise WireError("no relp_version among the offers")
    return Offers(
        version=version,
        software=_text(values, b"relp_software"),
        commands=tuple(filter(None, values.get(b"commands", b"").split(b","))),
        stream=_stream(values.get(b"nodelog_stream")),
        max_data=_number(values, b"nodelog_max"),
        name=_text(values, b"nodelog_name"),
    )


def _number(values: dict[bytes, bytes], name: bytes) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    if not _NUMBER.fullmatch(value):
        raise WireError(f"{name.decode()} is {value[:_TEXT_LIMIT]!r}, not a number")
    return int(value)


def _stream(value: bytes | None) -> tuple[bytes, int] | None:
    if value is None:
        return None
    parts = _STREAM.fullmatch(value)
    if parts is None:
        raise WireError(
            f"nodelog_stream is {value[:_TEXT_LIMIT]!r}, not 32 hexadecimal digits, a comma, a number"
        )
    return bytes.fromhex(parts[1].decode()), int(parts[2])


def _text(values: dict[bytes, bytes], name: bytes) -> str | None:
    return sanitize(values.get(name, b"").decode(errors="replace")) or None


def sanitize(text: str) -> str:
    """Return a text that is safe in a message or a log: printable, and at most 255 bytes."""
    printable = "".join(char if char.isprintable() else "?" for char in text)
    return printable.encode()[:_TEXT_LIMIT].decode(errors="ignore")
