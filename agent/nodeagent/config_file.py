"""Reads `nodelog.toml`: a table for each program, with each option by its own name.

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

from nodeagent.supervision.programs import ConfigError, suggestion

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

Tables = dict[str, dict[str, Any]]


def read_tables(path: Path, names: Collection[str]) -> Tables:
    """Return the tables of a file; no other names are allowed. Raises ConfigError."""
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # invalid TOML or UTF-8
        raise ConfigError(f"{path}: {error}") from None
    for name, table in content.items():
        if name not in names:
            what = "table" if isinstance(table, dict) else "key outside a table"
            raise ConfigError(f"{path}: unknown {what} {name!r}{suggestion(name, dict.fromkeys(names))}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} is not a table; write [{name}]")
    return content
