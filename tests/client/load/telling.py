"""What `nodelog load --json` tells of itself when it has ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Give what it tells, once it has ended well."""
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    told: dict[str, Any] = json.loads(out)
    return told
