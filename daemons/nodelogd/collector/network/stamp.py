"""The `--stamp` option: puts the time of receipt and the peer before each line, one block at a time."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodelogd.collector.pipeline.arena import Arena

PeerAddress = tuple[str, int] | tuple[str, int, int, int]  # what accept() returns for IPv4 and IPv6

IPV4_FIELDS = 2
MAX_STAMP = 96  # bytes; enough for the time, an IPv6 address with scope, the port and two spaces


def peer_name(address: PeerAddress) -> bytes:
    """Return a peer's address as stamps show it: `10.1.2.3:40000`, `[fe80::1]:40000`."""
    host, port = address[:2]
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode()


def family_of(address: PeerAddress) -> int:
    """Return the address family of a peer's address."""
    return socket.AF_INET if len(address) == IPV4_FIELDS else socket.AF_INET6


def stamp_lines(block: bytes, peer: bytes) -> bytes:
    """Return a block of whole lines with the time (RFC 3339, UTC, milliseconds) and the peer before each."""
    now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    stamp = b"%s %s " % (now.encode(), peer)
    return stamp + block[:-1].replace(b"\n", b"\n" + stamp) + b"\n"


def stamp_added(arena: Arena, start: int, peer: bytes) -> int:
    """Stamp the lines that an arena holds from `start` on; return the number of bytes that this adds."""
    plain = bytes(arena.view[start : arena.end])
    arena.end = start
    arena.add(stamp_lines(plain, peer))
    return arena.end - start - len(plain)
