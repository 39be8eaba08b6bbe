"""Probes: a page or a program asked every few seconds, and what its answers come to."""

from __future__ import annotations

import subprocess
import time
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.kubelet.podspec import Container, Probe


class Asking:
    """One probe of one container, from its start on."""

    def __init__(self, probe: Probe, ask: Callable[[Probe], bool], *, good: bool, haste: float) -> None:
        """Begin with what it is taken for; periods are divided by `haste`."""
        self.is_good = good
        self._probe = probe
        self._ask = ask
        self._period = probe.period / haste
        self._due = time.monotonic() + probe.delay / haste
        self._in_a_row = 0

    def look(self) -> bool:
        """Ask if it is time, and say what it is taken for: `failures` or `successes` in a row change that."""
        if time.monotonic() >= self._due:
            answer = self._ask(self._probe)
            self._due = time.monotonic() + self._period
            self._in_a_row = 0 if answer == self.is_good else self._in_a_row + 1
            if self._in_a_row >= (self._probe.successes if answer else self._probe.failures):
                self.is_good, self._in_a_row = answer, 0
        return self.is_good


def ask(probe: Probe, container: Container, address: str, name: str) -> bool:
    """Ask once: a page at the address of the pod, or a program in a container of this name."""
    if probe.command:
        return _runs(name, probe)
    port = next((port.number for port in container.ports if port.name == probe.port), probe.port)
    connection = HTTPConnection(address, int(port), timeout=probe.timeout)
    try:
        connection.request("GET", probe.path or "/")
        return 200 <= connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _runs(name: str, probe: Probe) -> bool:
    try:
        run = subprocess.run(
            ["docker", "exec", name, *probe.command], capture_output=True, timeout=probe.timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0
