"""`nodelog.toml`: a table for each program, every option by its own name.

[logd]
log = "/var/lib/nodelog/node_log"
listen = ["10.0.0.1:6666", "[::1]:6666"]
stamp = true

[nodeagent]
grace = "40s"
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from nodeagent.supervision.programs import SetupError, nearest

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

Tables = dict[str, dict[str, Any]]


def read(path: Path, names: Collection[str]) -> Tables:
    """Give the tables of a file, all of which must be of these names. Raises SetupError."""
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # of TOML, or of UTF-8
        raise SetupError(f"{path}: {error}") from None
    for name, table in content.items():
        if name not in names:
            what = "table" if isinstance(table, dict) else "key outside a table"
            raise SetupError(f"{path}: unknown {what} {name!r}{nearest(name, dict.fromkeys(names))}")
        if not isinstance(table, dict):
            raise SetupError(f"{path}: {name} is not a table; write [{name}]")
    return content
