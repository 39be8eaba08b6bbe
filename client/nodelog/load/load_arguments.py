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

_MIN_LINE: Final = 50
_MAX: Final = 1 << 20

_LOAD: Final = """\
Sends numbered lines over many connections and reports how fast they were accepted. Without --rate it sends as
fast as the collector accepts them. With --rate it sends on a schedule that is fixed in advance (an open
loop), and whatever is sent later than scheduled counts as late, however long the collector stalled. Without
--duration and --bytes it runs until Ctrl-C; a second Ctrl-C does not wait for the collector to read what was
sent."""

_LOAD_NOTES: Final = """\
Latency is the time from when a line was due until the kernel had all of its write. Flat out, a write is due
as soon as the previous one on its connection was handed over. It is not the time until the line is in a file:
plain lines are not acknowledged.

With --protocol relp lines are acknowledged, and only acknowledged lines count as sent. The report then also
has the time from when a write was due (flat out: handed over) until its acknowledgement. logd takes blocks of
lines and stores each once, however often a connection fails or the collector dies. Other servers, such as
imrelp of rsyslog, take one message per line (--frames syslog) and may store a line twice. At its end a load
waits until everything that was handed over is acknowledged, but does not reconnect, and waits no longer than
30 s without any acknowledgement; with --through-restarts it reconnects, and waits as long as it takes.

Without acknowledgements a connection that fails is reconnected (after 0.1 s, with longer pauses each time, up
to 5 s) and continues with the first line that the kernel did not accept completely. So this program never
sends a line twice, and lines that the kernel had accepted when the connection failed may be lost: `nodelog
verify` shows them. Reconnects are counted. If the collector ends its stream (FIN), the current line is
finished and the next goes over a new connection.

With --per-connection each of the --connections is a client that makes one connection after the other, as
`while true; do echo LINE | nc HOST PORT; done` does: it sends its lines, half-closes, and waits for the
collector to close. Flat out the next one is made at once, with --rate when its first line is due.
Latency then includes the time until the connection is made.

The rate is measured until the collector has read everything and closed each connection. A run in which a
process of this program used 90 % of a core or more is marked: its figures are those of the generator, not of
the collector; use more --processes, or another machine."""

_VERIFY: Final = """\
Reads the files that a collector wrote and reports which lines of a load were lost, doubled, torn or
reordered. Exit code 0: each line is there once, intact and in order; 1: it is not; 2: a file cannot be
read."""

_VERIFY_NOTES: Final = """\
Pass all files that may contain lines of the run, in any order, including sealed and compressed (gzip) ones;
lines of other senders are counted and ignored. Without --sent, the highest number seen tells how many lines a
connection sent: lines lost at its end, or a connection lost as a whole, then go unnoticed. A line is
reordered if one with a higher number of its connection stands before it in the same file."""


def add_load(commands: Commands, env: Mapping[str, str]) -> None:
    """Add `nodelog load`."""
    command = commands.add_parser(
        "load",
        help="load generator: send numbered lines over many connections, flat out or at a rate",
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
        "bytes per line including its line feed (default 128B); at least 55B with a run of six letters",
    )
    add(
        "write-size",
        _write_size,
        "64KiB",
        "bytes per write, up to 1MiB, rounded down to whole lines (default 64KiB); 'line': one line",
    )
    add(
        "per-connection",
        integer("a number of lines", 1, 10**9),
        None,
        "lines per connection (1 without a number): then it is closed, and the next one is made once the "
        "collector has closed it too (default: connections stay open)",
        bare="1",
    )
    add("rate", integer("a number of lines", 1, 10**9), None, "lines per second in total (default: flat out)")
    add("duration", duration, None, "end after this time, such as 10s")
    add("bytes", _amount, None, "end after this many bytes in total, such as 1GiB")
    add("processes", integer("a number of processes", 1, 1024), "1", "processes to use (default 1)")
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
        "with relp: a write is one frame of lines (default), or a syslog frame per line for other servers",
    )
    add(
        "window",
        quantities.parse_size,
        "1MiB",
        "with relp: unacknowledged bytes per connection (default 1MiB)",
    )
    options.add_flag(
        "through-restarts", "with relp: at the end, wait and reconnect until everything is acknowledged"
    )
    add("run", _run, None, "name of the run in each line, up to 16 letters or digits (default: random)")
    add("report", Path, None, "write a self-contained HTML page with rate over time and latencies")
    options.add_flag("json", "print the figures as JSON, for nodelog verify --sent")


def add_verify(commands: Commands, env: Mapping[str, str]) -> None:
    """Add `nodelog verify`."""
    command = commands.add_parser(
        "verify",
        help="find the lines of a load in files: lost, doubled, torn, reordered; exit code 1 on any",
        description=_VERIFY,
        epilog=_VERIFY_NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options = CommandOptions(command, env)
    options.add("run", _run, None, "name of the run; may be omitted with --sent")
    options.add("sent", Path, None, "output of nodelog load --json: how many lines each connection sent")
    options.add_flag("json", "print the result as JSON")
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files of the collector")


def _line_size(text: str) -> int:
    size = quantities.parse_size(text)
    if not _MIN_LINE <= size <= _MAX:
        raise ValueError(f"{text!r} is not the size of a line, {_MIN_LINE}B to 1MiB")
    return size


def _write_size(text: str) -> int:
    if text == "line":
        return 0
    size = quantities.parse_size(text)
    if not _MIN_LINE <= size <= _MAX:
        raise ValueError(f"{text!r} is not the size of a write, {_MIN_LINE}B to 1MiB, or 'line'")
    return size


def _one_of(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"{text!r} is not {' or '.join(names)}")
        return text

    return parse


def _amount(text: str) -> int:
    if not (size := quantities.parse_size(text)):
        raise ValueError(f"{text!r} is nothing to send")
    return size


def _run(text: str) -> str:
    if not re.fullmatch("[A-Za-z0-9_-]{1,16}", text):
        raise ValueError(f"{text!r} is not a run: 1 to 16 letters, digits, _ or -")
    return text
