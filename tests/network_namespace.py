"""A network of a test's own, whose packets it may drop without touching anything else. Needs root."""

from __future__ import annotations

import ctypes
import subprocess
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CLONE_NEWNET = 0x40000000


def run_in_network_namespace(function: Callable[[], None]) -> None:
    """Call a function in a thread that has its own network with a loopback; raise what it raises.

    The threads and processes that it starts are in the same network.
    """
    failures: list[BaseException] = []

    def run() -> None:
        try:
            _enter()
            function()
        except BaseException as error:  # noqa: BLE001 (raised below, in the test's thread)
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def swallow_packets(port: int) -> None:
    """Drop all packets from and to a port of the loopback from now on, without a word to anyone."""
    for direction in ("--sport", "--dport"):
        rule = ["-A", "INPUT", "-i", "lo", "-p", "tcp", direction, str(port), "-j", "DROP"]
        subprocess.run(["iptables", *rule], check=True, capture_output=True)


def _enter() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace; run as root")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
