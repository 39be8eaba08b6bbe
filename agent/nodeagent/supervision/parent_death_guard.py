"""What a child is started through: it ends when the agent ends, however that is.

`python -I -S leash.py AGENT NICE PROGRAM ARGUMENT…` asks the kernel for a SIGTERM at the death of the agent,
whose process number is AGENT, becomes as nice as NICE says, and turns into the program. A program of its own,
and not a function between fork and exec: the agent has threads, and after a fork only one of them is left.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the program; Python's own message if there is no such one."""
    agent, nice, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != int(agent):  # it died before we had asked
        sys.exit(f"{command[0]}: the agent has ended; not started")
    os.nice(int(nice))
    try:
        os.execvp(command[0], command)  # noqa: S606 (what this file is for)
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
