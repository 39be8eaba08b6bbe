"""The options of `nodelog run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nodelog.argument_parser import duration, integer
from nodelog.commands.command_arguments import add_command, add_shipping, parse_timeout
from nodelog.commands.multiline.record_rules import parse_rule
from nodelog.quantities import parse_size
from nodelog.shipping.line_splitting import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nodelog.commands.command_arguments import Commands

SEPARATOR: Final = "--"
"""What stands before the command."""

_DESCRIPTION: Final = """\
Runs a command and sends its standard output and standard error to the collector of this node, line by line:
the entry point of a container. It passes signals on to the command, reaps orphans as process 1 must, and ends
with the command's exit code, once all lines are acknowledged."""

_NOTES: Final = """\
examples:
  nodelog run -- python -u app.py
  nodelog run --spool /var/spool/app.spool --tee --multiline python -- gunicorn app:app
  nodelog run --multiline '^[0-9]{4}-' -- java -jar app.jar

A line is all bytes up to a line feed, whatever they are. With --multiline a record of several lines is sent
as one, with the two characters \\n between them: "python" joins tracebacks, "java" and "indent" join lines
that begin with white space to the one before, and a regular expression matches the first line of each record.

All signals that can be passed on are, except those that the terminal sends to the command as well. After the
command's end it waits until everything is acknowledged, but no longer than --timeout; with --spool it does
not wait for a collector that is away. A second SIGTERM or Ctrl-C ends that wait.

The command runs without a collector, too: lines wait, up to --max-bytes. With --full block it then waits
--block-timeout for room; after that, lines are dropped and counted until the collector takes some.

Exit code: that of the command, 128 + N if signal N ended it; 127: there is no such command, 126: it cannot be
executed; 2: it was not started: a wrong option, no HOST_IP, a spool that another process uses. If lines are
missing at the end, a message says how many, and where they are."""

_USAGE: Final = "nodelog run [OPTION]... -- COMMAND [ARGUMENT]..."


def split_command(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments of `nodelog run` at the first `--`; return ours and the command."""
    if list(arguments[:1]) != ["run"] or SEPARATOR not in arguments:
        return list(arguments), []
    at = arguments.index(SEPARATOR)
    return list(arguments[:at]), list(arguments[at + 1 :])


def lacks_command(arguments: Sequence[str], command: Sequence[str]) -> bool:
    """Return whether `nodelog run` has nothing to run, and was not asked for its help."""
    return list(arguments[:1]) == ["run"] and not command and not {"-h", "--help"} & set(arguments)


def add_run(commands: Commands, env: Mapping[str, str]) -> None:
    """Add the command."""
    summary = "run a command and send its output; the entry point of a container"
    options = add_command(commands, env, "run", (summary, _DESCRIPTION, _NOTES), usage=_USAGE)
    add_shipping(options, env)
    add = options.add
    options.add_flag("tee", "also print the output, each line once it is in the spool")
    add("timeout", parse_timeout, "20s", "time to wait after the command's end (default 20s)")
    add("block-timeout", parse_timeout, "5s", "time to wait for room with --full block (default 5s)")
    add("multiline", parse_rule, None, "python, java, indent, or a pattern for first lines (default: none)")
    add(
        "multiline-lines",
        integer("a number of lines", 2, 100_000),
        "1000",
        "lines of a record (default 1000)",
    )
    add("multiline-bytes", _record_size, "256KiB", "bytes of a record (default 256KiB)")
    add("multiline-timeout", duration, "1s", "time from a record's first line to its last (default 1s)")


def _record_size(text: str) -> int:
    size = parse_size(text)
    if not 1 <= size <= MAX_LINE_BYTES:
        raise ValueError(f"{text!r} is not a size of a record, 1B to 1MiB")
    return size
