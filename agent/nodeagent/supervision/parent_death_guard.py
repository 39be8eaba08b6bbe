"""The parent death guard: a child started through this script ends when the agent ends, for whatever reason.

`python -I -S parent_death_guard.py AGENT NICE PROGRAM ARGUMENT…` asks the kernel (PR_SET_PDEATHSIG) for a
SIGTERM at the death of the agent, whose process ID is AGENT, raises its own niceness by NICE, and executes
the program. It is a program of its own, not a function between fork and exec: the agent has threads, and only
one of them survives a fork.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def guarded_command(*command: str, nice: int = 0) -> list[str]:
    """Return the command that runs this one under the guard, with this process as the parent."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(nice), *command]


def main() -> None:
    """Execute the program, or exit with one line that says why it was not started."""
    agent, nice, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != int(agent):  # it died before the call
        sys.exit(f"{command[0]}: the agent has ended; not started")
    os.nice(int(nice))
    try:
        os.execvp(command[0], command)  # noqa: S606 (what this file is for)
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
