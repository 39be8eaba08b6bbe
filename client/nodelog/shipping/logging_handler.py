"""A `logging` handler that ships records: put `nodelog.NodeLogHandler` into a logging configuration."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from nodelog.shipping.line_queue import ClosedError
from nodelog.shipping.process.program_end import program_end
from nodelog.shipping.settings import DEFAULT_MAX_BYTES, DEFAULT_PORT
from nodelog.shipping.shipper import Shipper

if TYPE_CHECKING:
    import os
    from collections.abc import Callable


class NodeLogHandler(logging.Handler):
    """Ships each record as one line; a traceback stays one record.

    `emit` never raises. It blocks only with `full="block"`, and then for at most `timeout` seconds. A record
    that found no room is counted as dropped, and a line in the stream reports it. At exit, and in `close`,
    the handler waits up to `exit_timeout` seconds until all records are acknowledged, and reports what is
    left. After `close` the next record opens it again, as with `logging.handlers.SocketHandler`: programs
    that reconfigure `logging` close all handlers, and some of these stay attached. The other options are
    those of Shipper.
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
        """Records that could not be formatted, or came after the end of the program's log."""
        self.shipper = Shipper(host, port, spool=spool, full=full, max_bytes=max_bytes, name=name, tell=tell)
        self.shipper.at_exit(self._close_for_good)  # in place of what the shipper does by itself
        self._timeout = timeout
        self._exit_timeout = exit_timeout
        self._is_closed_for_good = False
        program_end.open_handlers.add(self)

    def handle(self, record: logging.LogRecord) -> bool:
        """Emit a record unless a filter rejects it; without the handler's lock: the shipper has one."""
        passed: object = self.filter(record)  # since Python 3.12 a filter may return another record
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Ship a record."""
        try:
            self._ship(self.format(record))
        except Exception:  # noqa: BLE001 (what a formatter or a record's arguments raise must not reach the caller)
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the name that logging uses)
        """Count an error; it is also printed if `logging.raiseExceptions` is set."""
        self.errors += 1
        super().handleError(record)

    def close(self) -> None:
        """Wait until all records are acknowledged, and end; report what is left. The next record opens it.

        Records that are only in memory are not given up while the program runs.
        """
        if program_end.has_come:
            self._close_for_good()
        else:
            self._close_for_now()
        super().close()

    def _ship(self, line: str) -> None:
        while not self._is_closed_for_good:
            try:
                if not self.shipper.send(line, self._timeout):
                    self.shipper.refuse()
            except ClosedError:
                self._reopen()
            else:
                return
        self._count_late_record()

    def _reopen(self) -> None:
        if not self._is_closed_for_good:
            self.shipper.reopen()
            program_end.open_handlers.add(self)

    def _close_for_now(self) -> None:
        end = time.monotonic() + self._exit_timeout
        left = self.shipper.flush(self._exit_timeout)
        if left and not self.shipper.has_file:
            self.shipper.tell(
                f"{left} lines are not acknowledged; they wait in memory while the program runs"
            )
        else:
            self.shipper.close(max(0.0, end - time.monotonic()))
            program_end.open_handlers.discard(self)

    def _close_for_good(self) -> None:
        """End with the program. Records are accepted as long as this waits."""
        if self._is_closed_for_good:
            return
        end = time.monotonic() + self._exit_timeout
        try:
            self.shipper.flush(self._exit_timeout)
        finally:
            self._is_closed_for_good = True
            self.shipper.close(max(0.0, end - time.monotonic()))
            program_end.open_handlers.discard(self)

    def _count_late_record(self) -> None:
        self.errors += 1
        if self.errors == 1:
            self.shipper.tell("a record came after the end of the log; it and those after it are lost")
