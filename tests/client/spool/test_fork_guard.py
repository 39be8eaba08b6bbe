from __future__ import annotations

import subprocess
import sys

from tests.waiting import PATIENCE

PROGRAM = """
import os, sys, threading, warnings
from nodelog.spool import fork_guard
from nodelog.spool.fork_guard import ForkGuard
warnings.simplefilter("ignore", DeprecationWarning)
guard, entered, left = ForkGuard(), threading.Event(), []
{before}
def work():
    with guard:
        entered.set()
        {inside}
        left.append(1)
thread = threading.Thread(target=work, daemon=True)
thread.start()
entered.wait()
pid = os.fork()
if not pid:
    os._exit(len(left))
with guard:
    pass
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
{after}
"""


def run(before: str = "", inside: str = "", after: str = "") -> str:
    program = PROGRAM.format(before=before, inside=inside, after=after)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    return done.stdout.strip()


def test_a_fork_waits_until_the_guard_is_released() -> None:
    assert run(inside="threading.Event().wait(0.1)") == "1"


def test_a_fork_does_not_wait_forever() -> None:
    program = "forever = threading.Event(); fork_guard._MAX_WAIT_SECONDS = 0.05; wait = forever.wait"
    assert run(before=program, inside="forever.wait(0.5)") == "0"


def test_a_deleted_guard_does_not_affect_forks() -> None:
    assert run(after="del guard, work, thread; import gc; gc.collect(); os.fork() or os._exit(0)") == "1"
