"""The client's thread and its sockets in programs that handle signals in a way of their own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.client.shipping.fake_collector import FakeCollector

SIGWAIT = """
import os, signal, sys, threading
from nodelog import Shipper
shipper = Shipper("127.0.0.1", int(sys.argv[1]))
shipper.send("before")
assert shipper.flush(20) == 0
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.kill(os.getpid(), signal.SIGTERM)
assert signal.sigwait({signal.SIGTERM}) == signal.SIGTERM
shipper.send("after")
assert shipper.close(20) == 0
"""
SIGPIPE = """
import signal, sys
from nodelog import Shipper
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
shipper = Shipper("127.0.0.1", int(sys.argv[1]))
shipper.send("before")
assert shipper.flush(20) == 0
shipper._thread._wakeup._receiver.close()  # as a program that closes all descriptors, one after the other
shipper._thread.wake()
shipper.send("after")
assert shipper.close(20) == 0
"""


def run(program: str, collector: FakeCollector) -> None:
    command = [sys.executable, "-c", program, str(collector.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done
    assert collector.lines == [b"before", b"after"]


def test_a_signal_that_the_program_waits_for_is_not_delivered_to_our_thread(
    collector: FakeCollector,
) -> None:
    run(SIGWAIT, collector)


def test_a_broken_pipe_does_not_end_a_program_with_the_default_action(collector: FakeCollector) -> None:
    run(SIGPIPE, collector)
