"""Which protocol a connection speaks: its first bytes decide, once."""

from __future__ import annotations

import enum
import re
from typing import Final

from nodelog.wire.frames import prefix_pattern

_OPEN: Final = re.compile(rb"1 open [0-9]{2,4} relp_version=")
_OPEN_PREFIX: Final = prefix_pattern(
    *(re.escape(bytes([byte])) for byte in b"1 open "),
    *(b"[0-9]", b"[0-9]", b"[0-9]?", b"[0-9]?"),
    *(bytes([byte]) for byte in b" relp_version="),
)


class Protocol(enum.Enum):
    """The protocols that a client may speak."""

    LINES = "lines"
    RELP = "relp"


def sniff_protocol(start: bytes | bytearray | memoryview) -> Protocol | None:
    """Return the protocol of a connection that begins with these bytes; None while it could be either.

    None lasts for at most 24 bytes, and never past an LF. At the end of the stream None means lines.
    """
    if _OPEN.match(start):
        return Protocol.RELP
    return None if _OPEN_PREFIX.fullmatch(start) else Protocol.LINES
