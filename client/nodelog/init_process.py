"""The duties of PID 1, for a program that is the first process of a container.

The kernel drops a signal for PID 1 that has no handler, so a SIGTERM while Python still imports would be
ignored. And PID 1 inherits the orphans of the container, such as what an exec probe left: nobody else reaps
them. So PID 1 stays this small process, which blocks signals before anything else, passes them on and reaps;
the program runs in its child, where SIGTERM has its usual effect from the start.

What is left: a signal in the first milliseconds, before Python runs this, is dropped.
"""

import os
import signal
from contextlib import suppress

_PASSED_ON = {
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
}
_WAITED_FOR = {signal.SIGCHLD, *_PASSED_ON}
_SI_KERNEL = 0x80
"""The `si_code` of a signal from a terminal, which the whole process group gets."""


def fork_if_first() -> None:
    """Continue in a child if this is PID 1, and be its init; otherwise do nothing."""
    if os.getpid() != 1:
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
    child = os.fork()
    if child:
        os._exit(_serve(child))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITED_FOR)


def _serve(child: int) -> int:
    """Pass signals on and reap until the child has ended; return its exit code, as a shell would."""
    while True:
        received = signal.sigwaitinfo(_WAITED_FOR)
        if received.si_signo in _PASSED_ON and received.si_code != _SI_KERNEL:
            with suppress(ProcessLookupError):
                os.kill(child, received.si_signo)
        code = _reap(child)
        if code is not None:
            return code


def _reap(child: int) -> int | None:
    """Reap every process that has ended; return the exit code of the child if it is one of them."""
    code = None
    with suppress(ChildProcessError):
        while ended := os.waitpid(-1, os.WNOHANG):
            pid, status = ended
            if not pid:
                break
            if pid == child:
                exit_code = os.waitstatus_to_exitcode(status)
                code = exit_code if exit_code >= 0 else 128 - exit_code
    return code
