"""Real threads and locks, in programs that gevent has patched before or after nodelog is imported."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from tests.waiting import PATIENCE, wait_for

from nodelog.unpatched import Locked, is_patched, start_thread

EARLY = "from gevent import monkey; monkey.patch_all(); from nodelog import unpatched"
LATE = "from nodelog import unpatched; from gevent import monkey; monkey.patch_all()"
PROGRAM = """
import _thread, time, gevent
assert unpatched.is_patched()
locked, turns, done = unpatched.Locked(), [], []
gevent.spawn(lambda: [turns.append(gevent.sleep(0.001)) for _ in range(10)])

def work():
    unpatched.sleep(0.05)
    with locked._lock:
        done.append(_thread.get_native_id())
        locked._changed.notify_all()

unpatched.start_thread(work, "work")
with locked._lock:
    assert locked._changed.wait_for(lambda: bool(done), 20)
assert len(turns) == 10, "no greenlet ran meanwhile"
assert done[0] != _thread.get_native_id(), "not a real thread"
"""


@pytest.mark.parametrize("order", [EARLY, LATE])
def test_a_thread_is_real_and_waiting_for_it_lets_greenlets_run(order: str) -> None:
    command = [sys.executable, "-c", f"{order}\n{PROGRAM}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_is_patched_here() -> None:
    assert not is_patched()


class Flag(Locked):
    """Something to wait for."""

    def __init__(self) -> None:
        """Create it unset."""
        super().__init__()
        self.is_set = False

    def set(self) -> None:
        """Set it."""
        with self._lock:
            self.is_set = True
            self._changed.notify_all()

    def wait(self, timeout: float | None) -> bool:
        """Wait until it is set."""
        with self._lock:
            return self._changed.wait_for(lambda: self.is_set, timeout)


def test_a_waiter_is_woken_though_it_holds_the_lock_twice() -> None:
    flag, woken = Flag(), threading.Event()

    def wait() -> None:
        with flag._lock:
            assert flag.wait(None)
        woken.set()

    start_thread(wait, "wait")
    wait_for(lambda: flag._changed._waiters)
    flag.set()
    assert woken.wait(PATIENCE)


def test_a_wait_ends_in_time_and_asks_no_more_than_needed() -> None:
    flag, asked = Flag(), list[float]()

    def is_true() -> bool:
        asked.append(time.monotonic())
        return False

    with flag._lock:
        assert not flag._changed.wait_for(is_true, 0)
    assert len(asked) == 1
    assert not flag.wait(0.01)
    assert not flag._changed._waiters
