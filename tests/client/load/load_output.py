"""The output of `nodelog load --json`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess


def figures_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the process to end successfully; return the figures that it printed."""
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    figures: dict[str, Any] = json.loads(out)
    return figures
