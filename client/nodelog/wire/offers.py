"""What the two sides of a connection offer each other in `open` and in its answer: lines of `name=value,...`.

Offers that are not known are passed over, as librelp does; that is how its peers can be ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from nodelog import __version__
from nodelog.wire.errors import WireError

SOFTWARE: Final = f"nodelog,{__version__}"
"""What we say of ourselves."""

_TEXT_LIMIT: Final = 255  # bytes of a value, in RELP
_NUMBER: Final = re.compile(rb"[0-9]{1,9}")
_STREAM: Final = re.compile(rb"([0-9a-f]{32}),([0-9]{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What one side offers.

    `stream` is its 16 bytes and a block number: from the client of the lowest block it holds, from the
    server of the last one that is durable. `max_data` is the most bytes of data that the server takes in a
    frame. `software` and `name` are what a peer says of itself: printable, 255 bytes at the most, and not to
    be trusted.
    """

    version: int
    software: str | None = None
    commands: tuple[bytes, ...] = ()
    stream: tuple[bytes, int] | None = None
    max_data: int | None = None
    name: str | None = None


def format_offers(offers: Offers) -> bytes:
    """Return the offers as they stand in a frame."""
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
    """Read the offers of a frame."""
    found = dict(line.partition(b"=")[::2] for line in bytes(data).split(b"\n"))
    version = _number(found, b"relp_version")
    if version is None:
        raise WireError("no relp_version among the offers")
    return Offers(
        version=version,
        software=_text(found, b"relp_software"),
        commands=tuple(filter(None, found.get(b"commands", b"").split(b","))),
        stream=_stream(found.get(b"nodelog_stream")),
        max_data=_number(found, b"nodelog_max"),
        name=_text(found, b"nodelog_name"),
    )


def _number(found: dict[bytes, bytes], name: bytes) -> int | None:
    value = found.get(name)
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


def _text(found: dict[bytes, bytes], name: bytes) -> str | None:
    return sanitize(found.get(name, b"").decode(errors="replace")) or None


def sanitize(text: str) -> str:
    """Make a text harmless for where it will stand, and 255 bytes long at the most."""
    printable = "".join(char if char.isprintable() else "?" for char in text)
    return printable.encode()[:_TEXT_LIMIT].decode(errors="ignore")
