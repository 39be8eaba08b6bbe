"""Probes: a page or a program asked every few seconds, and what its answers come to."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

from tests.deploy.kubelet.fields import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.kubelet.fields import Fields
    from tests.deploy.kubelet.podspec import Container


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A question that is asked again and again: a page, or a program."""

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
    """Read a probe of a container, if it has it. Raises RefusedError."""
    if name not in container:
        return None
    with container.into(name) as fields:
        path, port = None, 0
        if "httpGet" in fields:
            with fields.into("httpGet") as page:
                page.only("scheme", "HTTP", default="HTTP")
                path, port = page.need("path"), page.need("port")
        with fields.into("exec") as program:
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
