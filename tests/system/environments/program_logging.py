"""What each program of the matrix does: log numbered lines through a NodeLogHandler, and say how many."""

from __future__ import annotations

import logging
import os

from nodelog import NodeLogHandler

LINES = 20
"""Lines that each process or thread logs."""


def configure(*, one_file_per_process: bool = False) -> NodeLogHandler:
    """Configure logging as the variables PORT and SPOOL say."""
    spool = os.environ.get("SPOOL")
    if spool and one_file_per_process:
        spool = f"{spool}-{{pid}}"
    handler = NodeLogHandler("127.0.0.1", int(os.environ["PORT"]), spool=spool, exit_timeout=20)
    logging.basicConfig(handlers=[handler], level="INFO", format="%(message)s")
    return handler


def log_lines(who: object) -> None:
    """Log LINES lines that no one else logs."""
    for number in range(LINES):
        logging.getLogger("matrix").info("%s %s %d", os.environ["CELL"], who, number)


def log_once(what: str) -> None:
    """Log one line."""
    logging.getLogger("matrix").info("%s %s", os.environ["CELL"], what)
