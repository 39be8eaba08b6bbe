"""Members of an archive as text, in the format of `tar tvf`, and as JSON."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import tarfile

_KINDS: Final = {
    b"0": ("-", "file"),
    b"\0": ("-", "file"),
    b"7": ("-", "file"),
    b"S": ("-", "file"),
    b"1": ("h", "hard link"),
    b"2": ("l", "symbolic link"),
    b"3": ("c", "character device"),
    b"4": ("b", "block device"),
    b"5": ("d", "directory"),
    b"D": ("d", "directory"),
    b"6": ("p", "named pipe"),
}
_UNKNOWN: Final = ("?", "unknown")
_WIDTH: Final = 19
"""Columns for owner and size together, as in GNU tar; more if they do not fit."""


def to_text(info: tarfile.TarInfo) -> str:
    """Return the line of a member; its name may contain any byte except NUL, as surrogate escapes."""
    kind, _ = _KINDS.get(info.type, _UNKNOWN)
    owner, size = f"{info.uname or info.uid}/{info.gname or info.gid}", str(info.size)
    space = " " * max(1, _WIDTH - len(owner) - len(size))
    return (
        f"{kind}{_permissions(info.mode)} {owner}{space}{size} {_time(info.mtime)} {info.name}{_target(info)}"
    )


def to_json(info: tarfile.TarInfo) -> dict[str, Any]:
    """Return what `--json` prints of a member; sizes are bytes, times seconds since 1970."""
    return {
        "name": info.name,
        "type": _KINDS.get(info.type, _UNKNOWN)[1],
        "size": info.size,
        "mode": f"{info.mode & 0o7777:04o}",
        "uid": info.uid,
        "gid": info.gid,
        "user": info.uname,
        "group": info.gname,
        "modified": info.mtime,
        **({"target": info.linkname} if info.linkname else {}),
    }


def _permissions(mode: int) -> str:
    return "".join(letter if mode & 0o400 >> place else "-" for place, letter in enumerate("rwxrwxrwx"))


def _time(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):  # out of range
        return str(seconds)


def _target(info: tarfile.TarInfo) -> str:
    if info.issym():
        return f" -> {info.linkname}"
    return f" link to {info.linkname}" if info.islnk() else ""
