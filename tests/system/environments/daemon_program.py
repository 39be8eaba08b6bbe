"""A program that makes itself a daemon in the classic way, and closes all descriptors."""

from __future__ import annotations

import sys

import daemon  # type: ignore[import-untyped]
from program_logging import LINES, configure, log_lines  # type: ignore[import-not-found]

configure()
log_lines("parent")
sys.stdout.write(f"{2 * LINES}\n")
sys.stdout.flush()
with daemon.DaemonContext():
    log_lines("daemon")
