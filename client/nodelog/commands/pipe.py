"""`app | nodelog pipe`: what a program prints, to the collector, so that no restart loses a line of it.

The main thread reads and prints, and waits for nothing but room; the shipper's thread does the rest.
"""

from __future__ import annotations

import errno
import math
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.commands.stdio.stderr import Voice
from nodelog.commands.stdio.stdin import Input
from nodelog.commands.stdio.tee import Tee
from nodelog.commands.stop_signals import Patience, Stop, told_to_stop
from nodelog.shipping.shipper import Shipper

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

STDIN: Final = 0
STDOUT: Final = 1
_SILENT: Final = 1.0
"""Seconds to wait for the collector without a word."""

say = Voice("pipe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where lines go and where they wait; see Shipper."""

    host: str | None
    port: int
    name: str
    spool: Path | None
    full: str
    max_bytes: int
    tee: bool
    """Print a line once it is in the spool."""
    timeout: float | None
    """Seconds to wait at the end; None: as long as it takes."""


def command(given: argparse.Namespace) -> int:
    """Run it with these options; return the exit code. Raises NoHostError, SpoolError."""
    settings = Settings(
        host=given.host,
        port=given.port,
        name=given.name,
        spool=given.spool,
        full=given.full,
        max_bytes=given.max_bytes,
        tee=given.tee,
        timeout=given.timeout,
    )
    return pipe(settings)


def pipe(settings: Settings) -> int:
    """Carry standard input to the collector; return the exit code.

    0: all of it is acknowledged, and what the spool held before; 1: not so. Raises NoHostError, SpoolError.
    """
    with told_to_stop() as stop:
        patience = Patience(stop, settings.timeout)
        shipper = Shipper(
            settings.host,
            settings.port,
            spool=settings.spool,
            full=settings.full,
            max_bytes=settings.max_bytes,
            name=settings.name,
            tell=say,
        )
        carrying = _Carrying(shipper, patience, _tee(stop) if settings.tee else None)
        was_read = carrying.all_of(stop, waits=settings.full == "block")
        return 0 if _ended(shipper, patience) and was_read else 1


class _Carrying:
    """From the input through the spool to standard output, one run of lines after the other."""

    def __init__(self, shipper: Shipper, patience: Patience, tee: Tee | None) -> None:
        self._shipper = shipper
        self._patience = patience
        self._tee = tee

    def all_of(self, stop: Stop, *, waits: bool) -> bool:
        """Carry until there is no more, or patience is over; False if it could not be read."""
        try:
            for run in _input(stop).runs():
                self._carry(run, waits=waits)
                if self._patience.is_over:
                    break
        except OSError as error:
            say(f"cannot read standard input: {error.strerror}; it ends here")
            return False
        return True

    def _carry(self, run: bytes, *, waits: bool) -> None:
        def refused(seconds: float) -> int:
            return not self._shipper.send_lines(run, seconds)

        if self._patience.wait(refused) if waits else refused(0):
            self._shipper.refuse(run.count(b"\n"))
        elif self._tee and not self._patience.wait(self._shipper.keep):
            self._tee.write(run)


# A program may be started with a stream closed. Its number then is that of a file or a socket of ours by now.


def _input(stop: Stop) -> Input:
    if sys.__stdin__ is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return Input(STDIN, stop)


def _tee(stop: Stop) -> Tee | None:
    return None if sys.__stdout__ is None else Tee(STDOUT, stop, say)


def _ended(shipper: Shipper, patience: Patience) -> bool:
    """Wait for the acknowledgements, and say what is missing; tell whether nothing is."""
    patience.begin()
    patience.wait(_flushing(shipper))
    left = shipper.close(0)
    stats = shipper.stats
    if stats.dropped:
        say(f"{stats.dropped} lines were dropped: there was no room for them")
    return not (left or stats.dropped or stats.set_aside)


def _flushing(shipper: Shipper) -> Callable[[float], int]:
    """Give what waits for the acknowledgements, and says so if that takes a while."""
    speaks_at = time.monotonic() + _SILENT

    def flush(seconds: float) -> int:
        nonlocal speaks_at
        left = shipper.flush(seconds)
        if left and time.monotonic() >= speaks_at:
            say(f"waiting until {left} lines are acknowledged; Ctrl-C or SIGTERM, twice, ends it at once")
            speaks_at = math.inf
        return left

    return flush
