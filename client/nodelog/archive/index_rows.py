"""What a row of an index may contain: it may come from anyone, and later steps compute with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_UINT32: Final = 2**32 - 1
_MAX_INT64: Final = 2**63 - 1
_MAX_UINT64: Final = 2**64 - 1
_LOWEST: Final = {"mtime_ns": -_MAX_INT64, "ctime_ns": -_MAX_INT64}
_HIGHEST: Final = {
    "mode": 0o7777,
    "device": _MAX_UINT64,
    "inode": _MAX_UINT64,
    **dict.fromkeys(("uid", "gid", "crc", "head", "finished", "tail"), MAX_UINT32),
}


def is_valid_row(row: Mapping[str, Any], fields: Mapping[str, type]) -> bool:
    """Return whether a row has exactly these fields, of these types, with numbers as those of files."""
    if {name: type(value) for name, value in row.items()} != fields:
        return False
    return all(
        _LOWEST.get(name, 0) <= row[name] <= _HIGHEST.get(name, _MAX_INT64)
        for name, kind in fields.items()
        if kind is int
    )
