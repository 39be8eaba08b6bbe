"""The client of nodelog. It is imported by other people's programs, so it needs only the standard library.

Public names are imported at their first use: a daemon that imports `nodelog.wire` must not load threading and
SQLite.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodelog.shipping.addresses import NoHostError
    from nodelog.shipping.async_shipper import AsyncShipper
    from nodelog.shipping.logging_handler import NodeLogHandler
    from nodelog.shipping.shipper import Shipper
    from nodelog.shipping.stats import Stats
    from nodelog.spool.blocks import SpoolError

__version__ = "0.1.0"
__all__ = ["AsyncShipper", "NoHostError", "NodeLogHandler", "Shipper", "SpoolError", "Stats"]

_MODULES = {
    "AsyncShipper": "nodelog.shipping.async_shipper",
    "NoHostError": "nodelog.shipping.addresses",
    "NodeLogHandler": "nodelog.shipping.logging_handler",
    "Shipper": "nodelog.shipping.shipper",
    "SpoolError": "nodelog.spool.blocks",
    "Stats": "nodelog.shipping.stats",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'nodelog' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value
