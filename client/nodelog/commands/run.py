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
    open_pipe,
    open_standard_streams,
    start_command,
)
from nodelog.commands.supervision.command_output import CommandOutput, OutputStream
from nodelog.commands.supervision.signal_forwarding import SignalForwarder, block_signals
from nodelog.commands.supervision.spool_writer import SpoolWriter
from nodelog.shipping.shipper import Shipper

if TYPE_CHECKING:
    import argparse

CANNOT_START: Final = 2
_GIVE_UP_SECONDS: Final = 1.0
"""Seconds for the thread that moves the output to notice that the time is over."""

print_message = MessagePrinter("run")


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit code. Raises NoHostError, SpoolError."""
    tees = _open_streams() if args.tee else {}
    open_standard_streams()
    mask = block_signals()
    return _Run(args, _shipper(args), tees).to_end(mask)


def _open_streams() -> dict[int, str]:
    """Return the output streams that we were started with."""
    streams = {1: (sys.__stdout__, "standard output"), 2: (sys.__stderr__, "standard error")}
    return {fd: name for fd, (stream, name) in streams.items() if stream is not None}


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
    """A command and what becomes of its output; `tees` has the streams that are printed, too."""

    def __init__(self, args: argparse.Namespace, shipper: Shipper, tees: dict[int, str]) -> None:
        self._args = args
        self._shipper = shipper
        self._tees = tees
        self._is_over = threading.Event()
        self._pipes = (open_pipe(), open_pipe())
        streams = [self._stream(pipe.reader, fd) for fd, pipe in enumerate(self._pipes, 1)]
        self._output = CommandOutput(streams, gives_up=self._is_over.is_set, on_message=print_message)

    def to_end(self, mask: set[int]) -> int:
        """Start the command; return its exit code once its output is delivered, or the time is over."""
        try:
            self._output.start()  # before the command: without a thread nobody would read what it writes
        except RuntimeError as error:
            print_message(f"{error}: the limit of processes is reached; the command is not started")
            self._shipper.close(0)
            return CANNOT_START
        program = self._args.command_line[0]
        try:
            pid = start_command(self._args.command_line, mask, *self._pipes)
        except OSError as error:
            print_message(
                f"cannot start {escape(program.encode(errors='surrogateescape'))}: {error.strerror}"
            )
            self._shipper.close(0)
            return exit_code_of_error(error)
        return self._wait_for(SignalForwarder(pid, print_message))

    def _wait_for(self, signals: SignalForwarder) -> int:
        code = signals.wait_for_command()
        deadline = ShutdownDeadline(signals, self._args.timeout)
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
