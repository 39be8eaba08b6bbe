"""`--stamp`: when a line was received and from whom, in front of it; done for a block at once."""

from __future__ import annotations

import time
from datetime import UTC, datetime

PeerAddress = tuple[str, int] | tuple[str, int, int, int]  # as accept() returns it: IPv4, IPv6

MAX_STAMP = 96  # bytes; time, IPv6 address with scope, port and two spaces stay below


def peer_name(address: PeerAddress) -> bytes:
    """Name a peer as it stands in a stamp: `10.1.2.3:40000`, `[fe80::1]:40000`."""
    host, port = address[:2]
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode()


def stamp_lines(block: bytes, peer: bytes) -> bytes:
    """Put the time (RFC 3339, UTC, milliseconds) and the peer in front of each line of a block."""
    now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    stamp = b"%s %s " % (now.encode(), peer)
    return stamp + block[:-1].replace(b"\n", b"\n" + stamp) + b"\n"
