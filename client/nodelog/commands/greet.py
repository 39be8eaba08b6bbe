"""`nodelog greet`, the sample pod: sends a greeting every few seconds to one of several destinations."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nodelog.commands.destinations.acknowledged_tcp import AcknowledgedTcp
from nodelog.commands.destinations.appended_file import AppendedFile, UnusableFileError
from nodelog.commands.destinations.plain_tcp import PlainTcp
from nodelog.commands.stdio.stderr import MessagePrinter
from nodelog.commands.stdio.stdout import write_line
from nodelog.commands.stop_signals import StopSignals, handle_stop_signals
from nodelog.shipping.addresses import collector_addresses
from nodelog.shipping.shipper import Shipper

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

DESTINATIONS = ("tcp", "lines", "file")

print_message = MessagePrinter("greet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What to send, how often, and where."""

    to: str
    """One of DESTINATIONS."""
    host: str | None
    """As for Shipper."""
    port: int
    name: str
    every: float
    """Seconds between two greetings."""
    count: int | None
    """Number of greetings; None: until a stop signal."""
    spool: str | None
    timeout: float
    """Seconds to wait for acknowledgements at the end."""
    file: Path


class Destination(Protocol):
    """Where greetings are sent."""

    @property
    def is_complete(self) -> bool:
        """Whether all lines have arrived, as far as that can be known; valid after `close`."""

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds`; return True as soon as there was a stop signal."""

    def send(self, line: bytes) -> bool:
        """Send a line, which ends with an LF; return False if a stop signal came first."""

    def close(self) -> None:
        """Finish sending and close it."""

    def summary(self, sent: int) -> str:
        """Return what was done, in one line."""


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit code. Raises NoHostError, SpoolError."""
    settings = Settings(
        to=args.to,
        host=args.host,
        port=args.port,
        name=args.name,
        every=args.every,
        count=args.count,
        spool=args.spool,
        timeout=args.timeout,
        file=args.file,
    )
    try:
        return greet(settings)
    except UnusableFileError as error:
        print_message(str(error))
        return 2


def greet(settings: Settings) -> int:
    """Send greetings until SIGTERM, SIGINT or `settings.count`; return the exit code.

    Each line is printed on standard output once it was sent. For the main thread only: it handles signals.
    Raises NoHostError, SpoolError, UnusableFileError, OutputError.
    """
    sent = 0
    with handle_stop_signals() as stop:
        with closing(_destination(settings, stop)) as destination:
            due = time.monotonic()
            while sent != settings.count and not destination.wait(due - time.monotonic()):
                line = greeting(settings.name, time.time())
                if not destination.send(line.encode(errors="surrogateescape") + b"\n"):
                    print_message(f"stopped before this line was sent: {line}")
                    break
                sent += 1
                write_line(line)
                due = max(due + settings.every, time.monotonic())
        print_message(destination.summary(sent))
        return 0 if destination.is_complete else 1


def greeting(name: str, now: float) -> str:
    """Return the greeting for the time `now`, with the date in the form of `LC_ALL=C date`."""
    return f"{time.strftime('%a %b %e %H:%M:%S %Z %Y', time.localtime(now))} - Greetings from {name}"


def _destination(settings: Settings, stop: StopSignals) -> Destination:
    if settings.to == "file":
        return AppendedFile(settings.file, stop, print_message)
    hosts = collector_addresses(settings.host, os.environ)
    if settings.to == "lines":
        return PlainTcp(hosts[0], settings.port, stop, print_message)
    shipper = Shipper(
        settings.host, settings.port, spool=settings.spool, name=settings.name, tell=print_message
    )
    return AcknowledgedTcp(shipper, f"{' or '.join(hosts)} port {settings.port}", stop, settings.timeout)
