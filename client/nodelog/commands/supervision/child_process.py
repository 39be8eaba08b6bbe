"""Starts the command with pipes for its output; it inherits standard input, and nothing that is ours."""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
SIGNALED: Final = 128
"""Exit codes that shells use; the number of the signal is added to the last one."""
_STANDARD_STREAMS: Final = (0, 1, 2)
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)


@dataclass(frozen=True, slots=True)
class OutputPipe:
    """A pipe for one stream of the command."""

    reader: int
    """File descriptor from which the output is read."""
    writer: int
    """File descriptor for the command; to be closed here once it is started."""


def open_pipe() -> OutputPipe:
    """Open a pipe; no other program inherits it."""
    return OutputPipe(*os.pipe())


def open_standard_streams() -> None:
    """Open /dev/null in place of each standard stream that is closed.

    Otherwise one of our own files would get its number, and the command would take it for the stream.
    """
    for fd in _STANDARD_STREAMS:
        try:
            os.fstat(fd)
        except OSError:  # all smaller numbers are in use, so it gets this one
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def start_command(argv: list[str], mask: Iterable[int], stdout: OutputPipe, stderr: OutputPipe) -> int:
    """Start a command, found by PATH, with this mask of blocked signals; return its process ID.

    Python opens all files close-on-exec: only the standard streams and what we ourselves inherited reach it.
    The writers are closed here, in any case. Raises OSError.
    """
    pipes = (stdout, stderr)
    try:
        return os.posix_spawnp(
            argv[0],
            argv,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, pipe.writer, fd) for fd, pipe in enumerate(pipes, 1)],
            setsigmask=mask,
            setsigdef=_IGNORED_BY_PYTHON,
        )
    finally:
        for pipe in pipes:
            os.close(pipe.writer)


def exit_code_of_error(error: OSError) -> int:
    """Return the exit code that a shell would use for a command that cannot be started."""
    return NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE


def exit_code_of_status(status: int) -> int:
    """Return the exit code that a shell would use for a command that ended with this wait status."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else SIGNALED - code
