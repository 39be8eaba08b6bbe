"""The settings of a shipper, whether a thread or an event loop drives it."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.shipping.addresses import collector_addresses
from nodelog.shipping.line_queue import FullPolicy
from nodelog.spool.process_files import spool_path

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_PORT: Final = 6666
DEFAULT_MAX_BYTES: Final = 64 * 1024 * 1024
MIN_MAX_BYTES: Final = 1024 * 1024
"""The least value of max_bytes: less would hold only a few blocks."""
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where lines go, and where they wait."""

    hosts: tuple[str, ...]
    """Addresses to try one after the other."""
    port: int
    name: str
    """How this client introduces itself; the collector shows the name, but does not trust it."""
    spool: str | None
    """The path of a file, perhaps with `{pid}` for one per process, or None for memory."""
    full: FullPolicy
    """What to do with a line when `max_bytes` are waiting."""
    max_bytes: int
    tell: Callable[[str], None]
    """Receives each message for an operator, one line."""


def make_settings(  # noqa: PLR0913 (the options of a shipper)
    host: str | None,
    port: int,
    *,
    spool: str | os.PathLike[str] | None,
    full: str,
    max_bytes: int,
    name: str | None,
    tell: Callable[[str], None] | None,
) -> Settings:
    """Check the options and fill in defaults from the environment.

    Raises ValueError, NoHostError, SpoolError.
    """
    if not 1 <= port <= _MAX_PORT:
        raise ValueError(f"port is {port}, not 1 to {_MAX_PORT}")
    if max_bytes < MIN_MAX_BYTES:
        raise ValueError(f"max_bytes is {max_bytes}, it must be at least {MIN_MAX_BYTES}")
    return Settings(
        hosts=collector_addresses(host, os.environ),
        port=port,
        name=name or os.environ.get("HOSTNAME") or socket.gethostname(),
        spool=None if spool is None else spool_path(os.fspath(spool)),
        full=FullPolicy(full),
        max_bytes=max_bytes,
        tell=_guarded(tell) if tell else to_stderr,
    )


def _guarded(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Wrap a program's function: an exception that it raises must not end the thread that ships its lines."""

    def guarded(text: str) -> None:
        try:
            tell(text)
        except Exception as error:  # noqa: BLE001 (it is the program's, and may raise anything)
            to_stderr(f"{text} (tell failed: {error!r})")

    return guarded


def to_stderr(text: str) -> None:
    """Write a message to the program's standard error, if there is one."""
    with suppress(OSError, ValueError):  # it is closed
        if sys.stderr is not None:
            sys.stderr.write(f"nodelog: {text}\n")
            sys.stderr.flush()
