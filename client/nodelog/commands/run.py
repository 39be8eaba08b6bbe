"""`nodelog run -- CMD…`: runs a command and sends its output; the entry point of a container.

The main thread waits for signals and for the command's end. One thread moves its output into the spool, and
waits for room in it and for our own reader; the shipper's thread does the rest.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Final

from nodelog.commands.final_flush import finish
from nodelog.commands.multiline.record_joiner import RecordJoiner, RecordLimits
from nodelog.commands.stdio.stderr import MessagePrinter
from nodelog.commands.stdio.tee import Tee
from nodelog.commands.stdio.terminal_escaping import escape
from nodelog.commands.stop_signals import ShutdownDeadline
from nodelog.commands.supervision.child_process import (
    exit_code_of_error,
    open_standard_streams,
    start_command,
)
from nodelog.commands.supervision.command_output import CommandOutput, OutputStream
from nodelog.commands.supervision.signal_forwarding import SignalForwarder, block_signals
from nodelog.commands.supervision.spool_writer import SpoolWriter
from nodelog.shipping.shipper import Shipper

if TYPE_CHECKING:
    import argparse

    from nodelog.commands.supervision.child_process import Command

_GIVE_UP_SECONDS: Final = 1.0
"""Seconds for the thread that moves the output to notice that the time is over."""

print_message = MessagePrinter("run")


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit code. Raises NoHostError, SpoolError."""
    has_stdout, has_stderr = sys.__stdout__ is not None, sys.__stderr__ is not None
    open_standard_streams()
    mask = block_signals()
    shipper = _shipper(args)
    try:
        command = start_command(args.command_line, mask)
    except OSError as error:
        print_message(
            f"cannot start {escape(args.command_line[0].encode(errors='surrogateescape'))}: {error.strerror}"
        )
        shipper.close(0)
        return exit_code_of_error(error)
    tees = {1: "standard output"} if has_stdout else {}
    if has_stderr:
        tees[2] = "standard error"
    return _Run(args, shipper, command, tees if args.tee else {}).to_end()


def _shipper(args: argparse.Namespace) -> Shipper:
    return Shipper(
        args.host,
        args.port,
        spool=args.spool,
        full=args.full,
        max_bytes=args.max_bytes,
        name=args.name,
        tell=print_message,
    )


class _Run:
    """A command that runs, and what becomes of its output; `tees` has the streams that are printed, too."""

    def __init__(
        self, args: argparse.Namespace, shipper: Shipper, command: Command, tees: dict[int, str]
    ) -> None:
        self._args = args
        self._shipper = shipper
        self._tees = tees
        self._is_over = threading.Event()
        self._signals = SignalForwarder(command.pid, print_message)
        streams = [self._stream(command.stdout, 1), self._stream(command.stderr, 2)]
        self._output = CommandOutput(streams, gives_up=self._is_over.is_set, on_message=print_message)

    def to_end(self) -> int:
        """Return its exit code once it has ended and its output is delivered, or the time is over."""
        self._output.start()
        code = self._signals.wait_for_command()
        deadline = ShutdownDeadline(self._signals, self._args.timeout)
        deadline.start()
        self._output.command_ended()
        if deadline.wait(self._output.wait):
            self._is_over.set()
            self._output.wait(_GIVE_UP_SECONDS)
        finish(self._shipper, deadline, print_message, spooled_suffices=self._args.spool is not None)
        return code

    def _stream(self, source: int, fd: int) -> OutputStream:
        writer = SpoolWriter(
            self._shipper,
            self._args.block_timeout if self._args.full == "block" else 0.0,
            gives_up=self._is_over.is_set,
            on_message=print_message,
        )
        return OutputStream(source, writer, self._joiner(), self._tee(fd))

    def _joiner(self) -> RecordJoiner | None:
        args = self._args
        if args.multiline is None:
            return None
        limits = RecordLimits(
            lines=args.multiline_lines, size=args.multiline_bytes, seconds=args.multiline_timeout
        )
        return RecordJoiner(args.multiline(), limits)

    def _tee(self, fd: int) -> Tee | None:
        if fd not in self._tees:
            return None
        return Tee(fd, self._tees[fd], gives_up=self._is_over.is_set, on_message=print_message)
