"""`app | nodelog pipe`: sends a program's output to the collector, so that no restart loses a line of it.

The main thread reads and prints, and waits only for room in the spool; the shipper's thread does the rest.
"""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.commands.final_flush import finish
from nodelog.commands.stdio.stderr import MessagePrinter
from nodelog.commands.stdio.stdin import StdinReader
from nodelog.commands.stdio.tee import Tee
from nodelog.commands.stop_signals import ShutdownDeadline, StopSignals, handle_stop_signals
from nodelog.shipping.shipper import Shipper

if TYPE_CHECKING:
    import argparse

STDIN: Final = 0
STDOUT: Final = 1

print_message = MessagePrinter("pipe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where lines go and where they wait; see Shipper."""

    host: str | None
    port: int
    name: str
    spool: str | None
    full: str
    max_bytes: int
    tee: bool
    """Print a line once it is in the spool."""
    timeout: float | None
    """Seconds to wait at the end; None: as long as it takes."""


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit code. Raises NoHostError, SpoolError."""
    settings = Settings(
        host=args.host,
        port=args.port,
        name=args.name,
        spool=args.spool,
        full=args.full,
        max_bytes=args.max_bytes,
        tee=args.tee,
        timeout=args.timeout,
    )
    return pipe(settings)


def pipe(settings: Settings) -> int:
    """Send standard input to the collector; return the exit code.

    0: all of it is acknowledged, including what the spool held before; 1: it is not. Raises NoHostError,
    SpoolError.
    """
    with handle_stop_signals() as stop:
        deadline = ShutdownDeadline(stop, settings.timeout)
        shipper = Shipper(
            settings.host,
            settings.port,
            spool=settings.spool,
            full=settings.full,
            max_bytes=settings.max_bytes,
            name=settings.name,
            tell=print_message,
        )
        transfer = _Transfer(shipper, deadline, _tee(stop) if settings.tee else None)
        was_read = transfer.send_all(stop, waits=settings.full == "block")
        return 0 if finish(shipper, deadline, print_message) and was_read else 1


class _Transfer:
    """Moves lines from the input into the spool, then to standard output, one batch after the other."""

    def __init__(self, shipper: Shipper, deadline: ShutdownDeadline, tee: Tee | None) -> None:
        self._shipper = shipper
        self._deadline = deadline
        self._tee = tee

    def send_all(self, stop: StopSignals, *, waits: bool) -> bool:
        """Send the input until it ends or the deadline has passed; return False if it cannot be read."""
        try:
            for batch in _stdin(stop).batches():
                self._send(batch, waits=waits)
                if self._deadline.has_passed:
                    break
        except OSError as error:
            print_message(f"cannot read standard input: {error.strerror}; the input ends here")
            return False
        return True

    def _send(self, batch: bytes, *, waits: bool) -> None:
        def refused(seconds: float) -> int:
            return not self._shipper.send_lines(batch, seconds)

        if self._deadline.wait(refused) if waits else refused(0):
            self._shipper.refuse(batch.count(b"\n"))
        elif self._tee and not self._deadline.wait(self._shipper.keep):
            self._tee.write(batch)


# A program may be started with a stream closed. Its file descriptor may belong to one of our files by now.


def _stdin(stop: StopSignals) -> StdinReader:
    if sys.__stdin__ is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return StdinReader(STDIN, stop)


def _tee(stop: StopSignals) -> Tee | None:
    if sys.__stdout__ is None:
        return None
    return Tee(STDOUT, "standard output", gives_up=lambda: stop.count > 1, on_message=print_message)
