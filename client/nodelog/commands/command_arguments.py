"""The options of `nodelog pipe`, `nodelog greet`, `nodelog status` and `nodelog tail`."""

from __future__ import annotations

import argparse
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodelog import quantities
from nodelog.argument_parser import ArgumentParser, CommandOptions, duration, integer
from nodelog.commands.greet import DESTINATIONS
from nodelog.shipping.addresses import checked_address
from nodelog.shipping.line_queue import FullPolicy
from nodelog.shipping.settings import DEFAULT_MAX_BYTES, MIN_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Commands = argparse._SubParsersAction[ArgumentParser]  # noqa: SLF001 (argparse has no public name for it)

_MAX_TIMEOUT: Final = quantities.parse_duration("365d")

_PIPE: Final = """\
Sends standard input to the collector of this node, line by line, and keeps each line until the collector has
acknowledged it: a restart of the collector loses nothing. With --spool the lines are kept in a file, and a
restart of this program loses nothing either: started again on the same file, it first sends what is left
there."""

_PIPE_NOTES: Final = """\
examples:
  ./backup.sh 2>&1 | nodelog pipe --tee
  app | nodelog pipe --spool /var/spool/app.spool --timeout 20s
  nodelog pipe --spool /var/spool/app.spool </dev/null       send what an earlier run left

In a container, a shell with a pipe does not pass signals on: use nodelog run.

A line is all bytes up to a line feed, whatever they are. A last line without a line feed gets one; a line of
more than 1 MiB becomes several.

At the end of the input, or at SIGTERM or Ctrl-C (what is in the pipe at that moment is still sent), it waits
until everything is acknowledged, but no longer than --timeout. A second signal ends it at once.

Exit code 0: everything is acknowledged; 1: it is not, and a message says how many lines are left and where;
2: it could not start. A file can be used by one process at a time; nodelog status shows its contents."""

_GREET: Final = """\
The sample pod: sends a line with the date and a greeting every few seconds to the collector of this node, and
prints it on standard output."""

_GREET_NOTES: Final = """\
--to tcp    keeps each line until the collector has acknowledged it, in memory or in --spool, and prints it
            once it is stored there
--to lines  writes to a plain connection, as nc does
--to file   appends to a file, and continues in a new one when it is rotated away or removed

examples:
  nodelog greet --every 1s --count 10
  nodelog greet --to tcp --spool /var/spool/greet.spool
  nodelog greet --to file --file /var/log/greet.log

Exit code 0: success; 1: some lines were not acknowledged within --timeout; 2: it could not start."""

_STATUS: Final = """\
Shows the contents of spools: the lines that no collector has acknowledged yet. It only reads, and does not
disturb the process that uses a spool."""

_STATUS_NOTES: Final = """\
examples:
  nodelog status /var/spool/app.spool
  nodelog status --json /var/spool/*.spool

"oldest" and "newest" are the beginnings of the first and the last line. Lines that were acknowledged a moment
ago may still be counted: they are removed from the file together with the next ones. Lines "set aside" are
those that a collector refused or did not survive: they are kept and not sent.

Exit code 0: all spools were read; 2: one of them is missing, damaged, or not a spool."""

_TAIL: Final = """\
Shows the log of a node as it grows, streamed by the node's agent: first the last lines, then new ones as they
arrive. It needs the token that the agent asks for."""

_TAIL_NOTES: Final = """\
examples:
  nodelog tail --token-file /etc/nodelog/token
  nodelog tail --filter ' 500 ' --lines 0 | tee errors.txt

On a terminal, control characters are escaped so that no line can control it; elsewhere lines are passed on
unchanged. A reader that falls behind skips lines, and a message says how many bytes were skipped. When the
agent ends, the command waits until it is back.

It runs until Ctrl-C. Exit code 1: the agent refuses, or cannot read the log; 2: it could not start."""

_SPOOL: Final = "file in which lines wait; a folder, or {pid} in the name: one per process (default: memory)"
_FULL: Final = "block, drop-oldest or drop-newest (default block)"


def add_pipe(commands: Commands, env: Mapping[str, str]) -> None:
    """Add `nodelog pipe`."""
    texts = ("send standard input; no restart loses a line", _PIPE, _PIPE_NOTES)
    options = add_command(commands, env, "pipe", texts)
    add_shipping(options, env)
    options.add_flag("tee", "print each line once it is in the spool")
    options.add(
        "timeout", parse_timeout, None, "time to wait at the end, such as 20s (default: as long as it takes)"
    )


def add_shipping(options: CommandOptions, env: Mapping[str, str]) -> None:
    """Add the options of a command that ships lines: where they go, and how they wait."""
    _add_collector(options, env, "the collector's name for this client")
    add = options.add
    add("spool", str, None, _SPOOL)
    add(
        "full",
        _one_of(*(full.value for full in FullPolicy)),
        "block",
        f"when --max-bytes are waiting: {_FULL}",
    )
    add(
        "max-bytes",
        _max_bytes,
        str(DEFAULT_MAX_BYTES),
        "bytes of lines that may wait, such as 1GiB (default 64MiB)",
    )


def add_greet(commands: Commands, env: Mapping[str, str]) -> None:
    """Add `nodelog greet`."""
    texts = ("the sample pod: send a greeting every few seconds", _GREET, _GREET_NOTES)
    options = add_command(commands, env, "greet", texts)
    _add_collector(options, env, "the name in the greeting")
    add = options.add
    add("to", _one_of(*DESTINATIONS), "tcp", f"where to send: {', '.join(DESTINATIONS)} (default tcp)")
    add("every", duration, "15s", "time between two lines, such as 500ms or 15s (default 15s)")
    add("count", integer("a number of lines", 0, 10**12), None, "end after this many lines (default: never)")
    add("spool", str, None, f"with --to tcp: {_SPOOL}")
    add("timeout", parse_timeout, "5s", "time to wait for acknowledgements at the end (default 5s)")
    add("file", Path, f"/var/log/{_hostname(env)}.log", "with --to file (default: /var/log/$HOSTNAME.log)")


def add_status(commands: Commands, env: Mapping[str, str]) -> None:
    """Add `nodelog status`."""
    texts = ("show the contents of spools", _STATUS, _STATUS_NOTES)
    options = add_command(commands, env, "status", texts)
    options.add_flag("json", "print a JSON array with one object per spool")
    options.add_files("spools", "SPOOL", "file that was passed as --spool or to the program that uses it")


def add_tail(commands: Commands, env: Mapping[str, str]) -> None:
    """Add `nodelog tail`."""
    texts = ("show the log of a node as it grows", _TAIL, _TAIL_NOTES)
    options = add_command(commands, env, "tail", texts)
    options.add("agent", _agent, "127.0.0.1:9169", "address of the agent (default 127.0.0.1:9169)")
    options.add("token-file", Path, None, "file that contains the agent's token")
    options.add("lines", integer("a number of lines", 0, 1000), "10", "lines to start with (default 10)")
    options.add("filter", str, "", "show only lines that contain this text")


def add_command(
    commands: Commands,
    env: Mapping[str, str],
    name: str,
    texts: tuple[str, str, str],
    usage: str | None = None,
) -> CommandOptions:
    """Add a command with its summary, description and notes; return what adds its options."""
    summary, description, notes = texts
    parser = commands.add_parser(
        name,
        usage=usage,
        help=summary,
        description=description,
        epilog=notes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return CommandOptions(parser, env)


def _add_collector(options: CommandOptions, env: Mapping[str, str], name: str) -> None:
    options.add(
        "host",
        checked_address,
        None,
        "address of the collector (default: the variables HOST_IP and HOST_IPS)",
    )
    options.add("port", integer("a port", 1, 65535), "6666", "TCP port of the collector (default 6666)")
    options.add("name", _name, _hostname(env), f"{name} (default: the host's name)")


def _hostname(env: Mapping[str, str]) -> str:
    return env.get("HOSTNAME") or socket.gethostname()


def _name(text: str) -> str:
    if not text or "\n" in text:
        raise ValueError(f"{text!r} is not a name: it must not be empty and must fit into a line")
    return text


def _agent(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:\s]+)):([0-9]{1,5})", text)
    if match is None or not 0 < int(match[3]) < 1 << 16:
        raise ValueError(f"{text!r} is not HOST:PORT or [IPV6]:PORT")
    return checked_address(match[1] or match[2]), int(match[3])


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}")
        return text

    return parse


def parse_timeout(text: str) -> float:
    """Parse a time from 0s to 365d."""
    seconds = quantities.parse_duration(text)
    if seconds > _MAX_TIMEOUT:
        raise ValueError(f"{text!r} is not a time from 0s to 365d")
    return seconds


def _max_bytes(text: str) -> int:
    size = quantities.parse_size(text)
    if size < MIN_MAX_BYTES:
        raise ValueError(f"{text!r} is too little, 1MiB at least")
    return size
