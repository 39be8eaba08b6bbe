"""`nodelog greet`, the sample pod: a greeting every few seconds, by any of the ways to a node's log."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nodelog.commands.destinations.acknowledged_tcp import Shipped
from nodelog.commands.destinations.appended_file import File, UnusableFileError
from nodelog.commands.destinations.plain_tcp import Plain
from nodelog.commands.stdio.stderr import Voice
from nodelog.commands.stdio.stdout import put_line
from nodelog.commands.stop_signals import Stop, told_to_stop
from nodelog.shipping.addresses import collector_addresses

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

WAYS = ("tcp", "lines", "file")

say = Voice("greet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Who greets, how often and by which way."""

    to: str
    """One of WAYS."""
    host: str | None
    """As for Shipper."""
    port: int
    name: str
    every: float
    """Seconds from one greeting to the next."""
    count: int | None
    """How many greetings; None: until told to stop."""
    spool: Path | None
    timeout: float
    """Seconds to wait for acknowledgements at the end."""
    file: Path


class Way(Protocol):
    """Takes lines somewhere."""

    @property
    def is_done(self) -> bool:
        """Whether all lines are where they should be, after `close`."""

    def wait(self, seconds: float) -> bool:
        """Wait so long; True as soon as it is time to stop."""

    def send(self, line: bytes) -> bool:
        """Hand a line over, which comes with its LF; False if told to stop before."""

    def close(self) -> None:
        """Bring it to its end."""

    def report(self, sent: int) -> str:
        """Tell what was done."""


def command(given: argparse.Namespace) -> int:
    """Run it with these options; return the exit code. Raises NoHostError, SpoolError."""
    settings = Settings(
        to=given.to,
        host=given.host,
        port=given.port,
        name=given.name,
        every=given.every,
        count=given.count,
        spool=given.spool,
        timeout=given.timeout,
        file=given.file,
    )
    try:
        return greet(settings)
    except UnusableFileError as error:
        say(str(error))
        return 2


def greet(settings: Settings) -> int:
    """Greet until SIGTERM, SIGINT or `settings.count`; return the exit code.

    Each line that was sent is printed on standard output. For the main thread only: it handles signals.
    Raises NoHostError, SpoolError, UnusableFileError, OutputError.
    """
    sent = 0
    with told_to_stop() as stop:
        with closing(_way(settings, stop)) as way:
            due = time.monotonic()
            while sent != settings.count and not way.wait(due - time.monotonic()):
                line = greeting(settings.name, time.time())
                if not way.send(line.encode(errors="surrogateescape") + b"\n"):
                    say(f"told to stop before this line was sent: {line}")
                    break
                sent += 1
                put_line(line)
                due = max(due + settings.every, time.monotonic())
        say(way.report(sent))
        return 0 if way.is_done else 1


def greeting(name: str, now: float) -> str:
    """Return the line for the moment `now`, its date in the form of `LC_ALL=C date`."""
    return f"{time.strftime('%a %b %e %H:%M:%S %Z %Y', time.localtime(now))} - Greetings from {name}"


def _way(settings: Settings, stop: Stop) -> Way:
    if settings.to == "file":
        return File(settings.file, stop, say)
    if settings.to == "lines":
        return Plain(collector_addresses(settings.host, os.environ)[0], settings.port, stop, say)
    return Shipped(
        settings.host,
        settings.port,
        name=settings.name,
        spool=settings.spool,
        timeout=settings.timeout,
        stop=stop,
        say=say,
    )
