"""The options of `nodelog pipe`, `nodelog greet`, `nodelog status` and `nodelog tail`."""

from __future__ import annotations

import argparse
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodelog import quantities
from nodelog.argument_parser import Options, Parser, time, whole
from nodelog.commands.greet import WAYS
from nodelog.shipping.addresses import checked_address
from nodelog.shipping.line_queue import FullPolicy
from nodelog.shipping.settings import DEFAULT_MAX_BYTES, MIN_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Commands = argparse._SubParsersAction[Parser]  # noqa: SLF001 (argparse has no other name for it)

_LONGEST: Final = quantities.duration("365d")

_PIPE: Final = """\
Sends standard input to the collector of this node, line by line, and keeps each line until the collector has
acknowledged it: restarts of the collector lose nothing. With --spool they are kept in a file, and a restart
of this program loses nothing either: started again on the same file it sends first what is left there."""

_PIPE_NOTES: Final = """\
examples:
  ./backup.sh 2>&1 | nodelog pipe --tee
  app | nodelog pipe --spool /var/spool/app.spool --timeout 20s
  nodelog pipe --spool /var/spool/app.spool </dev/null       send what an earlier run left

Lines are the bytes up to a line feed, whatever they are. One without a line feed at the end gets one, one of
more than 1 MiB becomes several.

At the end of the input, or at SIGTERM or Ctrl-C (what is in the pipe then is still sent), it waits until
everything is acknowledged, --timeout at the most. A second signal ends it at once.

Exit code 0: everything is acknowledged; 1: not so, and one line says how many lines are left and where; 2: it
could not start. A spool is for one process at a time; nodelog status shows what is in it."""

_GREET: Final = """\
The sample pod: a line with the date and a greeting every few seconds, sent to the collector of this node and
printed on standard output."""

_GREET_NOTES: Final = """\
--to tcp    keeps each line until the collector has acknowledged it, in memory or in --spool, and prints it
            once it is there
--to lines  writes into a plain connection, as nc does
--to file   appends to a file, and goes on in a new one when it is rotated away or removed

examples:
  nodelog greet --every 1s --count 10
  nodelog greet --to tcp --spool /var/spool/greet.spool
  nodelog greet --to file --file /var/log/greet.log

Exit code 0: as it should be; 1: lines are left that nobody has acknowledged within --timeout; 2: it could not
start."""

_STATUS: Final = """\
Shows what spools hold: the lines that no collector has acknowledged yet. It only reads, and disturbs nobody
who uses them."""

_STATUS_NOTES: Final = """\
examples:
  nodelog status /var/spool/app.spool
  nodelog status --json /var/spool/*.spool

oldest and newest are the beginnings of the first and of the last line. Lines that were acknowledged a moment
ago may still be counted: they are removed from the file with the next ones. set aside is what a collector did
not take or did not survive: it is kept, and not sent.

Exit code 0: all of them were read; 2: one of them is missing, damaged, or not a spool."""

_TAIL: Final = """\
Shows the log of a node as it grows, as its agent sends it: the last lines, then what comes. It needs the
token that the agent asks for."""

_TAIL_NOTES: Final = """\
examples:
  nodelog tail --token-file /etc/nodelog/token
  nodelog tail --filter ' 500 ' --lines 0 | tee errors.txt

On a terminal control characters are escaped, so that no line can steer it; elsewhere lines are passed on as
they are. Who reads more slowly than the log grows skips, and is told how much. When the agent ends, it is
waited for until it is back.

It ends by Ctrl-C. Exit code 1: the agent refuses, or cannot read the log; 2: it could not start."""

_SAYS: Final = {
    "pipe": (_PIPE, _PIPE_NOTES),
    "greet": (_GREET, _GREET_NOTES),
    "status": (_STATUS, _STATUS_NOTES),
    "tail": (_TAIL, _TAIL_NOTES),
}
_FULL: Final = "block, drop-oldest or drop-newest (default block)"


def add_pipe(commands: Commands, env: Mapping[str, str]) -> None:
    """Add the command for any program's output."""
    options = _command(commands, env, "pipe", "makes any program's output survive restarts")
    _add_place(options, env, "what the collector calls this client")
    add = options.add
    add("spool", Path, None, "file in which lines wait (default: memory)")
    options.flag("tee", "print each line, once it is in the spool")
    add("timeout", _patience, None, "time to wait at the end, such as 20s (default: as long as it takes)")
    add("full", _one_of(*(full.value for full in FullPolicy)), "block", f"with --max-bytes waiting: {_FULL}")
    add(
        "max-bytes",
        _room,
        str(DEFAULT_MAX_BYTES),
        "bytes of lines that may wait, such as 1GiB (default 64MiB)",
    )


def add_greet(commands: Commands, env: Mapping[str, str]) -> None:
    """Add the sample pod."""
    options = _command(commands, env, "greet", "the sample pod: a greeting every few seconds")
    _add_place(options, env, "who greets")
    add = options.add
    add("to", _one_of(*WAYS), "tcp", f"where to: {', '.join(WAYS)} (default tcp)")
    add("every", time, "15s", "time from one line to the next, such as 500ms or 15s (default 15s)")
    add("count", whole("a number of lines", 0, 10**12), None, "end after so many lines (default: never)")
    add("spool", Path, None, "file in which lines wait, with --to tcp (default: memory)")
    add("timeout", _patience, "5s", "time to wait for acknowledgements at the end (default 5s)")
    add("file", Path, f"/var/log/{_hostname(env)}.log", "with --to file (default: /var/log/$HOSTNAME.log)")


def add_status(commands: Commands, env: Mapping[str, str]) -> None:
    """Add the command that looks into spools."""
    options = _command(commands, env, "status", "shows what a spool holds")
    options.flag("json", "print a JSON array, of one object for each")
    options.add_files("spools", "SPOOL", "what --spool, or the program that uses it, names")


def add_tail(commands: Commands, env: Mapping[str, str]) -> None:
    """Add the command that shows the log as it grows."""
    options = _command(commands, env, "tail", "shows the log of a node as it grows")
    options.add("agent", _agent, "127.0.0.1:9169", "where the agent is (default 127.0.0.1:9169)")
    options.add("token-file", Path, None, "file that holds the token of the agent")
    options.add("lines", whole("a number of lines", 0, 1000), "10", "lines to begin with (default 10)")
    options.add("filter", str, "", "show only lines with this text in them")


def _command(commands: Commands, env: Mapping[str, str], name: str, about: str) -> Options:
    description, notes = _SAYS[name]
    parser = commands.add_parser(
        name,
        help=about,
        description=description,
        epilog=notes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return Options(parser, env)


def _add_place(options: Options, env: Mapping[str, str], who: str) -> None:
    options.add(
        "host",
        checked_address,
        None,
        "address of the collector (default: the variables HOST_IP and HOST_IPS)",
    )
    options.add("port", whole("a port", 1, 65535), "6666", "TCP port of the collector (default 6666)")
    options.add("name", _name, _hostname(env), f"{who} (default: the host's name)")


def _hostname(env: Mapping[str, str]) -> str:
    return env.get("HOSTNAME") or socket.gethostname()


def _name(text: str) -> str:
    if not text or "\n" in text:
        raise ValueError(f"{text!r} is not a name: it must not be empty and must fit into a line")
    return text


def _agent(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:\s]+)):([0-9]{1,5})", text)
    if found is None or not 0 < int(found[3]) < 1 << 16:
        raise ValueError(f"{text!r} is not HOST:PORT or [IPV6]:PORT")
    return checked_address(found[1] or found[2]), int(found[3])


def _one_of(*words: str) -> Callable[[str], str]:
    def parsed(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return text

    return parsed


def _patience(text: str) -> float:
    seconds = quantities.duration(text)
    if seconds > _LONGEST:
        raise ValueError(f"{text!r} is not a time from 0s to 365d")
    return seconds


def _room(text: str) -> int:
    size = quantities.size(text)
    if size < MIN_MAX_BYTES:
        raise ValueError(f"{text!r} is too little, 1MiB at least")
    return size
