"""How a shipper is set up, whether it is driven by a thread or by an event loop."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.shipping.addresses import collector_addresses
from nodelog.shipping.line_queue import FullPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_PORT: Final = 6666
DEFAULT_MAX_BYTES: Final = 64 * 1024 * 1024
MIN_MAX_BYTES: Final = 1024 * 1024
"""With less, a few blocks would be all."""
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where lines go, and where they wait."""

    hosts: tuple[str, ...]
    """To be tried one after the other."""
    port: int
    name: str
    """What the collector calls this client; it does not trust it."""
    spool: str | None
    """A file, or None for memory."""
    full: FullPolicy
    """What to do when `max_bytes` are waiting."""
    max_bytes: int
    tell: Callable[[str], None]
    """Takes what an operator should know, in a line."""


def make_settings(  # noqa: PLR0913 (what a shipper is made with)
    host: str | None,
    port: int,
    *,
    spool: str | os.PathLike[str] | None,
    full: str,
    max_bytes: int,
    name: str | None,
    tell: Callable[[str], None] | None,
) -> Settings:
    """Fill in what the environment knows. Raises ValueError, for a missing host NoHostError."""
    if not 1 <= port <= _MAX_PORT:
        raise ValueError(f"port is {port}, not 1 to {_MAX_PORT}")
    if max_bytes < MIN_MAX_BYTES:
        raise ValueError(f"max_bytes is {max_bytes}, it must be {MIN_MAX_BYTES} at least")
    return Settings(
        hosts=collector_addresses(host, os.environ),
        port=port,
        name=name or os.environ.get("HOSTNAME") or socket.gethostname(),
        spool=None if spool is None else os.fspath(spool),
        full=FullPolicy(full),
        max_bytes=max_bytes,
        tell=_guarded(tell) if tell else to_stderr,
    )


def _guarded(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Keep what a program's function raises from ending the thread that carries its lines."""

    def told(text: str) -> None:
        try:
            tell(text)
        except Exception as error:  # noqa: BLE001 (it is the program's, and may raise anything)
            to_stderr(f"{text} (it could not be told as asked: {error!r})")

    return told


def to_stderr(text: str) -> None:
    """Tell whoever reads the program's standard error."""
    with suppress(OSError, ValueError):  # it is closed: there is nobody to tell
        if sys.stderr is not None:
            sys.stderr.write(f"nodelog: {text}\n")
            sys.stderr.flush()
