"""A daemon's own log, on stderr: plain lines on a terminal, JSON otherwise; each record is one line.

Logging never blocks the daemon and never ends it. Before each write, stderr is polled for room for a page. If
nobody reads the pipe (or the terminal is stopped), the record is dropped and counted, and the count is logged
before the next record that fits. A closed stderr is ignored. (One case is not covered: for a regular file on
a disk that hangs, poll always reports room.)
"""

import logging
import os
import select
import time
from contextlib import suppress
from typing import Final

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

STDERR: Final = 2
PIECE: Final = 4096  # bytes that a pipe which polls as ready takes without blocking (PIPE_BUF)
REST_TIMEOUT_MS: Final = 50  # to wait for room for the rest of a record, once its first piece is written
LEVELS: Final = ("debug", "info", "warning", "error")
_STANDARD: Final = frozenset({*RESERVED_ATTRS, "taskName"})


def setup(program: str, level: str) -> None:
    """Send everything that this process logs at `level` (one of LEVELS) or above to stderr.

    Standard descriptors that are closed are first opened on /dev/null. Otherwise the next file that is opened
    would get the number of stderr, and the log would be written into it.
    """
    for fd in range(STDERR + 1):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    handler = StderrHandler(STDERR)
    handler.setFormatter(PlainFormatter(program) if os.isatty(STDERR) else JsonLineFormatter(program))
    logging.captureWarnings(capture=True)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def timestamp(record: logging.LogRecord) -> str:
    """Return when a record was logged: UTC, RFC 3339, with milliseconds."""
    seconds, milliseconds = divmod(int(record.created * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{milliseconds:03}Z"


class PlainFormatter(logging.Formatter):
    """Formats for people: `2026-11-22T13:00:00.123Z logd warning: cannot write … retry=1`."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line of printable characters: nothing from a peer can control a terminal."""
        extra = "".join(f" {name}={value}" for name, value in vars(record).items() if name not in _STANDARD)
        text = f"{record.getMessage()}{extra}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return f"{timestamp(record)} {self._program} {record.levelname.lower()}: {_escape_unprintable(text)}"


class JsonLineFormatter(JsonFormatter):
    """Formats as a JSON object: `time`, `level`, `program`, `logger`, `message` and the fields of `extra`."""

    def __init__(self, program: str) -> None:
        super().__init__(
            ["asctime", "levelname", "name", "message"],
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            static_fields={"program": program},
        )

    def formatTime(  # noqa: N802 - the name is inherited
        self,
        record: logging.LogRecord,
        datefmt: str | None = None,  # noqa: ARG002 - the format is fixed
    ) -> str:
        """Return when a record was logged."""
        return timestamp(record)

    def process_log_record(self, log_data: dict[str, object]) -> dict[str, object]:
        """Write the level in lower case, as --log-level takes it."""
        return {**log_data, "level": str(log_data["level"]).lower()}


class StderrHandler(logging.Handler):
    """Writes records to a descriptor while it has room. Never raises; never waits long (REST_TIMEOUT_MS)."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._dropped = 0
        self._is_line_open = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it as dropped."""
        if self._dropped and self._has_room(0):
            text = f"{self._dropped} log records were dropped: stderr was not read"
            lost = logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)
            self._dropped = 0
            self._write(self._line(lost))
        if not self._write(self._line(record)):
            self._dropped += 1

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            text = self.format(record)
        except Exception as error:  # noqa: BLE001 - wrong arguments must not end the code that logs
            where = f"{record.filename}:{record.lineno}"
            message = f"cannot format a log record of {where}: {error}"
            text = self.format(logging.LogRecord(__name__, logging.ERROR, __file__, 0, message, None, None))
        return f"{text}\n".encode(errors="backslashreplace")

    def _write(self, line: bytes) -> bool:
        """Write a line in pieces that are known to fit; return False if it, or its rest, was dropped.

        A line whose rest was dropped is ended before the next one is written.
        """
        if self._is_line_open:
            line = b"\n" + line
        timeout_ms = 0
        while line:
            try:
                if self._has_room(timeout_ms):
                    line = line[os.write(self._fd, line[:PIECE]) :]
                    timeout_ms = REST_TIMEOUT_MS
                    continue
            except BlockingIOError:
                pass  # another process made it non-blocking: the same as no room
            except OSError:
                return True
            self._is_line_open = self._is_line_open or timeout_ms > 0
            return False
        self._is_line_open = False
        return True

    def _has_room(self, timeout_ms: int) -> bool:
        with suppress(OSError):
            return bool(self._poll.poll(timeout_ms))
        return True


def _escape_unprintable(text: str) -> str:
    """Escape line ends, control characters and the bytes of file names that are not UTF-8."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
