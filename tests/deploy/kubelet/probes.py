"""Probes: a page or a program asked every few seconds, and what its answers come to."""

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


class Opinion:
    """What the answers to a probe come to: `failures` or `successes` in a row change it."""

    def __init__(self, probe: Probe, *, good: bool) -> None:
        """Begin with what it is taken for before the first answer."""
        self.is_good = good
        self._probe = probe
        self._in_a_row = 0

    def hear(self, answer: bool) -> None:
        """Take an answer."""
        self._in_a_row = 0 if answer == self.is_good else self._in_a_row + 1
        if self._in_a_row >= (self._probe.successes if answer else self._probe.failures):
            self.is_good, self._in_a_row = answer, 0


class Asking:
    """One probe of one container, as a context, in a thread: one that hangs must not hold up the others."""

    def __init__(self, probe: Probe, ask: Callable[[Probe], bool], *, good: bool, haste: float) -> None:
        """Prepare; periods are divided by `haste`, what an answer may take is not.

        Nor are the periods in which a container that is taken for good has not answered yet: it has all the
        time to start that its manifest gives.
        """
        self._probe = probe
        self._ask = ask
        self._opinion = Opinion(probe, good=good)
        self._haste = 1.0 if good else haste
        self._haste_later = haste
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        """Begin."""
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask no more; a question under way goes on until it has its answer."""
        self._ended.set()

    @property
    def is_good(self) -> bool:
        """What the container is taken for."""
        return self._opinion.is_good

    def _run(self) -> None:
        due = time.monotonic() + self._probe.delay / self._haste
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            asked = time.monotonic()
            if answer := self._ask(self._probe):
                self._haste = self._haste_later
            self._opinion.hear(answer)
            due = asked + self._probe.period / self._haste


def ask(probe: Probe, *, container: Container, address: str, number: str) -> bool:
    """Ask once: a page at the address of the pod, or a program in the container of this number."""
    if probe.command:
        return _runs(number, probe)
    port = next((port.number for port in container.ports if port.name == probe.port), probe.port)
    connection = HTTPConnection(address, int(port), timeout=probe.timeout)
    try:
        connection.request("GET", probe.path or "/")
        return 200 <= connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _runs(number: str, probe: Probe) -> bool:
    try:
        run = subprocess.run(
            ["docker", "exec", number, *probe.command],
            capture_output=True,
            timeout=probe.timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0
