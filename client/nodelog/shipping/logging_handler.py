"""`logging` through a shipper: `nodelog.NodeLogHandler` in a logging configuration is all it takes."""

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

    `emit` never raises. It blocks only with `full="block"`, and then `timeout` seconds at the most. A record
    that there was no room for is counted, as what is dropped is, and told in the stream. At exit it waits up
    to `exit_timeout` seconds until all is acknowledged, and tells on standard error what is left. The rest is
    as for Shipper.
    """

    def __init__(  # noqa: PLR0913 (each has a default that will do)
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
        """Records that could not be made a line, or came after the end."""
        self.shipper = Shipper(host, port, spool=spool, full=full, max_bytes=max_bytes, name=name, tell=tell)
        atexit.unregister(self.shipper.close)  # logging closes its handlers itself, and later
        self._timeout = timeout
        self._exit_timeout = exit_timeout

    def handle(self, record: logging.LogRecord) -> bool:
        """Emit a record unless a filter is against it; without the lock, so that nobody waits for two."""
        passed: object = self.filter(record)  # from Python 3.12 on a filter may give another record
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Ship a record."""
        try:
            if not self.shipper.send(self.format(record), self._timeout):
                self.shipper.refuse()
        except Exception:  # noqa: BLE001 (whatever a formatter or a record's arguments raise is no fault of the caller)
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (as logging has it)
        """Count it; `logging.raiseExceptions` says whether it is also printed."""
        self.errors += 1
        super().handleError(record)

    def close(self) -> None:
        """Take no more records; wait for the others and tell what is left of them."""
        self.shipper.close(self._exit_timeout)
        super().close()
