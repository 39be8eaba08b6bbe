"""A `logging` handler that ships records: put `nodelog.NodeLogHandler` into a logging configuration."""

from __future__ import annotations

import atexit
import logging
from typing import TYPE_CHECKING

from nodelog.shipping.settings import DEFAULT_MAX_BYTES, DEFAULT_PORT
from nodelog.shipping.shipper import Shipper

if TYPE_CHECKING:
    import os
    from collections.abc import Callable


class NodeLogHandler(logging.Handler):
    """Ships each record as one line; a traceback stays one record.

    `emit` never raises. It blocks only with `full="block"`, and then for at most `timeout` seconds. A record
    that found no room is counted as dropped, and a line in the stream reports it. At exit the handler waits
    up to `exit_timeout` seconds until all records are acknowledged, and reports what is left. The other
    options are those of Shipper.
    """

    def __init__(  # noqa: PLR0913 (each has a usable default)
        self,
        host: str | None = None,
        port: int = DEFAULT_PORT,
        *,
        level: int | str = logging.NOTSET,
        spool: str | os.PathLike[str] | None = None,
        full: str = "drop-oldest",
        max_bytes: int = DEFAULT_MAX_BYTES,
        timeout: float = 0.0,
        exit_timeout: float = 5.0,
        name: str | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(level)
        self.errors = 0
        """Records that could not be formatted, or came after `close`."""
        self.shipper = Shipper(host, port, spool=spool, full=full, max_bytes=max_bytes, name=name, tell=tell)
        atexit.unregister(self.shipper.close)  # logging closes its handlers at exit, and later
        self._timeout = timeout
        self._exit_timeout = exit_timeout

    def handle(self, record: logging.LogRecord) -> bool:
        """Emit a record unless a filter rejects it; without the handler's lock: the shipper has one."""
        passed: object = self.filter(record)  # since Python 3.12 a filter may return another record
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Ship a record."""
        try:
            if not self.shipper.send(self.format(record), self._timeout):
                self.shipper.refuse()
        except Exception:  # noqa: BLE001 (what a formatter or a record's arguments raise must not reach the caller)
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the name that logging uses)
        """Count an error; it is also printed if `logging.raiseExceptions` is set."""
        self.errors += 1
        super().handleError(record)

    def close(self) -> None:
        """Accept no more records; wait until the others are acknowledged, and report what is left."""
        self.shipper.close(self._exit_timeout)
        super().close()
