"""A daemon's own log, on stderr: plain lines on a terminal, JSON otherwise; a record is always one line.

The log never holds the daemon up and never ends it. Before each write stderr is asked whether it takes a
page; if nobody reads the pipe (or the terminal is stopped), the record is dropped, counted, and announced
once there is room again. A closed stderr is ignored. (Only a regular file on a disk that hangs cannot be
asked.)
"""

import logging
import math
import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

STDERR: Final = 2
PIECE: Final = 4096  # bytes that a pipe which is ready takes without blocking (PIPE_BUF)
PATIENCE: Final = 50  # ms for the rest of a record whose first piece was taken
LEVELS: Final = ("debug", "info", "warning", "error")
KEYS: Final = 1000
_NOT_EXTRA: Final = frozenset({*RESERVED_ATTRS, "taskName"})


def setup(program: str, level: str) -> None:
    """Send everything that this process logs to stderr, from `level` (one of LEVELS) on.

    Closed standard descriptors are opened on /dev/null first: the next file that is opened would get the
    number of stderr, and the log would go into it.
    """
    for fd in range(STDERR + 1):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    handler = Stderr(STDERR)
    handler.setFormatter(Plain(program) if os.isatty(STDERR) else Json(program))
    logging.captureWarnings(capture=True)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def moment(record: logging.LogRecord) -> str:
    """Return when it was logged: UTC, RFC 3339, milliseconds."""
    seconds, thousandths = divmod(int(record.created * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{thousandths:03}Z"


class Plain(logging.Formatter):
    """`2026-11-22T13:00:00.123Z logd warning: cannot write … retry=1` for people."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line that cannot steer a terminal, whatever a peer put into it."""
        extra = "".join(f" {name}={value}" for name, value in vars(record).items() if name not in _NOT_EXTRA)
        text = f"{record.getMessage()}{extra}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return f"{moment(record)} {self._program} {record.levelname.lower()}: {_visible(text)}"


class Json(JsonFormatter):
    """One JSON object with `time`, `level`, `program`, `logger`, `message` and what `extra` brought."""

    def __init__(self, program: str) -> None:
        super().__init__(
            ["asctime", "levelname", "name", "message"],
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            static_fields={"program": program},
        )

    def formatTime(  # noqa: N802 - the name is given
        self,
        record: logging.LogRecord,
        datefmt: str | None = None,  # noqa: ARG002 - the form is ours
    ) -> str:
        """Return when it was logged."""
        return moment(record)

    def process_log_record(self, log_data: dict[str, object]) -> dict[str, object]:
        """Write levels as the option takes them."""
        return {**log_data, "level": str(log_data["level"]).lower()}


class Stderr(logging.Handler):
    """Writes records to a descriptor as long as it takes them; never blocks, never raises."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._dropped = 0
        self._torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, or count it."""
        if self._dropped and self._room(0):
            text = f"{self._dropped} log records were dropped: stderr was not read"
            lost = logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)
            self._dropped = 0
            self._write(self._line(lost))
        if not self._write(self._line(record)):
            self._dropped += 1

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            text = self.format(record)
        except Exception as error:  # noqa: BLE001 - arguments that do not fit must not end what logs them
            where = f"{record.filename}:{record.lineno}"
            wrong = f"cannot format a log record of {where}: {error}"
            text = self.format(logging.LogRecord(__name__, logging.ERROR, __file__, 0, wrong, None, None))
        return f"{text}\n".encode(errors="backslashreplace")

    def _write(self, line: bytes) -> bool:
        """Write in pieces that are known to fit; a line that was broken off is ended before the next one."""
        if self._torn:
            line = b"\n" + line
        wait = 0
        while line:
            try:
                if self._room(wait):
                    line = line[os.write(self._fd, line[:PIECE]) :]
                    wait = PATIENCE
                    continue
            except BlockingIOError:
                pass  # somebody else made it non-blocking: the same as no room
            except OSError:
                return True
            self._torn = self._torn or wait > 0
            return False
        self._torn = False
        return True

    def _room(self, wait: int) -> bool:
        with suppress(OSError):
            return bool(self._poll.poll(wait))
        return True


class Once:
    """Lets the same message through once per so many seconds and says how many were held back.

    For what peers can cause as often as they like, from any thread. Of more than KEYS messages the one that
    was let through longest ago is forgotten.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def admit(self, key: str) -> int | None:
        """Return how many were held back since the last one, or None if this one is to be held back too."""
        now = self._clock()
        with self._lock:
            last, held = self._seen.get(key, (-math.inf, 0))
            if now - last < self._seconds:
                self._seen[key] = last, held + 1
                return None
            self._seen.pop(key, None)  # enters anew at the end, so that the first is the oldest
            self._seen[key] = now, 0
            if len(self._seen) > KEYS:
                del self._seen[next(iter(self._seen))]
            return held

    def log(  # noqa: PLR0913 - those of Logger.log, and the key
        self,
        logger: logging.Logger,
        level: int,
        key: str,
        message: str,
        *args: object,
        extra: Mapping[str, object] | None = None,
        exc_info: BaseException | None = None,
    ) -> None:
        """Log a message unless it is held back."""
        held = self.admit(key)
        if held is None:
            return
        if held:
            message, args = f"{message} (repeated %d times)", (*args, held)
        logger.log(level, message, *args, extra=extra, exc_info=exc_info)


def _visible(text: str) -> str:
    """Escape what is not printable: line ends, control characters, bytes of file names that are no UTF-8."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
