"""The options of `nodelog load` and `nodelog verify`. Reading them needs the standard library alone."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodelog import quantities
from nodelog.argument_parser import ArgumentParser, CommandOptions, duration, integer
from nodelog.shipping.addresses import checked_address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Commands = argparse._SubParsersAction[ArgumentParser]  # noqa: SLF001 (argparse has no public name for it)

_LEAST_LINE: Final = 50
_MOST: Final = 1 << 20

_LOAD: Final = """\
Sends numbered lines over many connections and says how fast they were taken. Without --rate it sends as fast
as the collector takes them; with --rate it sends by a plan made before (an open loop), and whatever comes
later than planned counts as late, however long the collector stood still. Without --duration and --bytes it
goes on until Ctrl-C; a second Ctrl-C does not wait for the collector to read what is under way."""

_LOAD_NOTES: Final = """\
Latency is the time from when a line was to be sent until the kernel had all of its write. Flat out a write is
to be sent as soon as the one before it on its connection is handed over. It is not the time until the line is
in a file: lines are not acknowledged.

With --protocol relp they are, and the lines that count as sent are those acknowledged; the time from when a
write was due (flat out: handed over) until its acknowledgement is told too. Our collector takes blocks of
lines and stores each once, however often a connection fails or the collector dies. Others, such as imrelp of
rsyslog, take a message of each line (--frames syslog) and may store one twice. At its end a load waits until
all that was handed over is acknowledged, but makes no connection again, and not for longer than 30 s without
any acknowledgement; with --through-restarts it does, and waits as long as it takes.

Without acknowledgements a connection that fails is made again (with pauses of 0.1 s, longer each time,
up to 5 s) and goes on with the first line that the kernel did not take wholly. So this program never sends a
line twice, and lines that the kernel had taken when the connection failed may be lost: `nodelog verify` shows
them. Reconnects are counted. If the collector says goodbye (FIN), the line under way is finished and the next
goes over a new connection.

With --per-connection each of the --connections is a client that makes one connection after the other, as
`while true; do echo LINE | nc HOST PORT; done` does: it sends its lines, says that no more come, and waits
for the collector's end. Flat out the next one is made at once, with --rate when its first line is due.
Latency then includes the time until the connection is made.

The rate counts until the collector has read everything and closed each connection. A run in which a process
of this program used 90 % of a core or more is marked: then the figures are the generator's, not the
collector's; give it more --processes, or another machine."""

_VERIFY: Final = """\
Reads the files that a collector wrote and says which lines of a load were lost, doubled, torn or reordered.
Exit code 0: each line is there once, whole and in its order; 1: not so; 2: a file cannot be read."""

_VERIFY_NOTES: Final = """\
Give all files that may have lines of the run, in any order, sealed and packed (gzip) ones too; lines of
others are counted and ignored. Without --sent the highest number seen tells how many lines a connection sent:
lines lost at its end, or a connection lost as a whole, cannot be seen then. A line is reordered if one with a
higher number of its connection stands before it in the same file."""


def add_load(commands: Commands, env: Mapping[str, str]) -> None:
    """Add the command that sends."""
    command = commands.add_parser(
        "load",
        help="load generator: numbered lines over many connections, flat out or at a rate",
        description=_LOAD,
        epilog=_LOAD_NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options = CommandOptions(command, env)
    add = options.add
    add(
        "host",
        checked_address,
        env.get("HOST_IP") or "127.0.0.1",
        "the collector (default: HOST_IP, or 127.0.0.1)",
    )
    add("port", integer("a port", 1, 65535), "6666", "TCP port of the collector (default 6666)")
    add("connections", integer("a number of connections", 1, 65536), "64", "how many (default 64)")
    add(
        "line-size",
        _line_size,
        "128B",
        "bytes of a line with its line feed, 128B by default; at least 55B with a run of six letters",
    )
    add(
        "write-size",
        _write_size,
        "64KiB",
        "bytes per write, up to 1MiB, rounded down to whole lines (default 64KiB); 'line': one line each",
    )
    add(
        "per-connection",
        integer("a number of lines", 1, 10**9),
        None,
        "lines per connection (1 without a number): then it is ended, and another one is made once the "
        "collector has ended it, too (default: connections are kept)",
        bare="1",
    )
    add("rate", integer("a number of lines", 1, 10**9), None, "lines per second in all (default: flat out)")
    add("duration", duration, None, "end after this time, such as 10s")
    add("bytes", _amount, None, "end after so many bytes in all, such as 1GiB")
    add("processes", integer("a number of processes", 1, 1024), "1", "share the connections out (default 1)")
    add(
        "protocol",
        _one_of("lines", "relp"),
        "lines",
        "plain lines (the default), or relp: each line is acknowledged",
    )
    add(
        "frames",
        _one_of("lines", "syslog"),
        "lines",
        "with relp: a write is one frame of lines (the default), or a syslog frame of each, for others",
    )
    add(
        "window",
        quantities.parse_size,
        "1MiB",
        "with relp: bytes unacknowledged on a connection (default 1MiB)",
    )
    options.add_flag(
        "through-restarts", "with relp: at the end wait, and reconnect, until all is acknowledged"
    )
    add("run", _run, None, "what the lines are marked with, up to 16 letters or digits (default: drawn)")
    add("report", Path, None, "write a page (HTML, one file) with rate over time and latencies")
    options.add_flag("json", "print the figures as JSON, which nodelog verify --sent reads")


def add_verify(commands: Commands, env: Mapping[str, str]) -> None:
    """Add the command that reads back."""
    command = commands.add_parser(
        "verify",
        help="reads back what load sent: lost, doubled, torn, reordered; exit code 1 on any",
        description=_VERIFY,
        epilog=_VERIFY_NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options = CommandOptions(command, env)
    options.add("run", _run, None, "which load; may be left out with --sent")
    options.add("sent", Path, None, "what nodelog load --json printed: how many lines each connection sent")
    options.add_flag("json", "print the result as JSON")
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files of the collector")


def _line_size(text: str) -> int:
    size = quantities.parse_size(text)
    if not _LEAST_LINE <= size <= _MOST:
        raise ValueError(f"{text!r} is not the size of a line, {_LEAST_LINE}B to 1MiB")
    return size


def _write_size(text: str) -> int:
    if text == "line":
        return 0
    size = quantities.parse_size(text)
    if not _LEAST_LINE <= size <= _MOST:
        raise ValueError(f"{text!r} is not the size of a write, {_LEAST_LINE}B to 1MiB, or 'line'")
    return size


def _one_of(*names: str) -> Callable[[str], str]:
    def parsed(text: str) -> str:
        if text not in names:
            raise ValueError(f"{text!r} is not {' or '.join(names)}")
        return text

    return parsed


def _amount(text: str) -> int:
    if not (size := quantities.parse_size(text)):
        raise ValueError(f"{text!r} is nothing to send")
    return size


def _run(text: str) -> str:
    if not re.fullmatch("[A-Za-z0-9_-]{1,16}", text):
        raise ValueError(f"{text!r} is not a run: 1 to 16 letters, digits, _ or -")
    return text
