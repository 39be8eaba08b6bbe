"""Probes: request a page or run a program periodically, and derive a state from the results."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

from tests.deploy.kubelet.fields import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from tests.deploy.kubelet.fields import Fields
    from tests.deploy.kubelet.podspec import Container


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The definition of a probe: a page to request, or a program to run."""

    path: str | None
    port: int | str
    command: tuple[str, ...]
    delay: float
    """Seconds, as are the next two."""
    period: float
    timeout: float
    failures: int
    successes: int


def read_probe(container: Fields, name: str) -> Probe | None:
    """Read a probe of a container, or return None if it has none. Raises RefusedError."""
    if name not in container:
        return None
    with container.object(name) as fields:
        path, port = None, 0
        if "httpGet" in fields:
            with fields.object("httpGet") as page:
                page.expect("scheme", "HTTP", default="HTTP")
                path, port = page.require("path"), page.require("port")
        with fields.object("exec") as program:
            command = tuple(program.take("command", ()))
        if not command and path is None:
            raise RefusedError(f"{fields.where}: neither httpGet nor exec")
        return Probe(
            path=path,
            port=port,
            command=command,
            delay=fields.take("initialDelaySeconds", 0),
            period=fields.take("periodSeconds", 10),
            timeout=fields.take("timeoutSeconds", 1),
            failures=fields.take("failureThreshold", 3),
            successes=fields.take("successThreshold", 1),
        )


class ProbeState:
    """The state of a probe; `failures` or `successes` results in a row change it."""

    def __init__(self, probe: Probe, *, initial: bool) -> None:
        """Start with the state before the first result."""
        self.is_passing = initial
        self._probe = probe
        self._in_a_row = 0

    def record(self, passed: bool) -> None:
        """Record a result."""
        self._in_a_row = 0 if passed == self.is_passing else self._in_a_row + 1
        if self._in_a_row >= (self._probe.successes if passed else self._probe.failures):
            self.is_passing, self._in_a_row = passed, 0


class Prober:
    """Runs one probe while the block runs, in a thread: a probe that hangs must not delay the others."""

    def __init__(
        self, probe: Probe, check: Callable[[Probe], bool], *, initial: bool, speedup: float
    ) -> None:
        """Prepare; the periods are divided by `speedup`, the timeout of a probe is not.

        A probe that passes initially keeps its full periods until its first success: the container has all
        the time to start that its manifest grants.
        """
        self._probe = probe
        self._check = check
        self._state = ProbeState(probe, initial=initial)
        self._speedup = 1.0 if initial else speedup
        self._full_speedup = speedup
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        """Start."""
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; a probe under way still runs to its end."""
        self._stopped.set()

    @property
    def is_passing(self) -> bool:
        """The state of the probe."""
        return self._state.is_passing

    def _run(self) -> None:
        due = time.monotonic() + self._probe.delay / self._speedup
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            started = time.monotonic()
            if passed := self._check(self._probe):
                self._speedup = self._full_speedup
            self._state.record(passed)
            due = started + self._probe.period / self._speedup


def run_probe(probe: Probe, *, container: Container, address: str, container_id: str) -> bool:
    """Run a probe once: request the page at the address of the pod, or run the program in the container."""
    if probe.command:
        return _run_command(container_id, probe)
    port = next((port.number for port in container.ports if port.name == probe.port), probe.port)
    connection = HTTPConnection(address, int(port), timeout=probe.timeout)
    try:
        connection.request("GET", probe.path or "/")
        return 200 <= connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _run_command(container_id: str, probe: Probe) -> bool:
    try:
        run = subprocess.run(
            ["docker", "exec", container_id, *probe.command],
            capture_output=True,
            timeout=probe.timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0
