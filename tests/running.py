"""A real `logd` process on free ports, for every test that needs one: the fixture `logd`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.ports import held_port, port_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

LOGD = Path(sys.executable).parent / "logd"
PATIENCE = 30.0
"""Seconds after which whoever waits for a fact fails; a busy machine may need many of them."""
POLL = 0.01  # seconds
LISTENING = "HTTP on"  # what every daemon says once its ports are open


def wait_for(fact: Callable[[], object], what: str = "", *, patience: float = PATIENCE) -> None:
    """Return once `fact()` is true; fail after `patience` seconds."""
    end = time.monotonic() + patience
    while not fact():
        if time.monotonic() > end:
            pytest.fail(f"not within {patience:g} s: {what or fact}")
        time.sleep(POLL)


class Daemon(ABC):
    """A daemon of ours: a process, its pages, and what it says."""

    def __init__(self, env: dict[str, str], prefix: Sequence[str] = ()) -> None:
        """Start it and wait until it listens; `prefix` is a program that executes it."""
        self._http = held_port()
        self.http_port = port_of(self._http)
        self.stderr: list[str] = []  # its lines, of all starts
        self._env = env
        self._prefix = prefix
        self._news = threading.Condition()
        self._start()

    @abstractmethod
    def command(self) -> list[str]:
        """Give the command line of the next start."""

    def listens(self, record: dict[str, Any]) -> None:
        """Hear where it listens."""
        self.http_port = _port(record["http"][0])

    @property
    def http(self) -> str:
        """The address of its pages."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self.process.pid

    def records(self, containing: str = "") -> list[dict[str, Any]]:
        """Give the records of its log on stderr whose message has this text in it."""
        found = [json.loads(line) for line in list(self.stderr) if line.startswith("{")]
        return [record for record in found if containing in record["message"]]

    def wait_ready(self) -> None:
        """Return once /readyz says 200."""
        wait_for(lambda: self._alive() and self.readyz()[0] == 200, "it is ready")

    def readyz(self) -> tuple[int, dict[str, Any]]:
        """Ask whether it is ready, and why not."""
        return self.get_json("/readyz")

    def get_json(self, path: str) -> tuple[int, dict[str, Any]]:
        """Get a page that is JSON."""
        status, body = self.get(path)
        return status, json.loads(body)

    def get(self, path: str) -> tuple[int, str]:
        """Get a page."""
        connection = HTTPConnection("127.0.0.1", self.http_port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, HTTPException) as error:
            pytest.fail(f"no answer to {path}: {error!r}; it said: {self.stderr}")
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        """Give the sum of the samples with these labels; 0 for a metric that has none yet."""
        families = list(text_string_to_metric_families(self.get("/metrics")[1]))
        if not any(name.startswith(family.name) for family in families):
            pytest.fail(f"no metric {name}")
        samples = [sample for family in families for sample in family.samples]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    def rss(self) -> int:
        """Give the memory it has now, bytes."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """Give the most memory it ever had, bytes."""
        return self._status("VmHWM")

    def cpu(self) -> float:
        """Give the processor time it has had, seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """End it by SIGTERM; give its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        self.wait()

    def wait(self, timeout: float = PATIENCE) -> int:
        """Return once it has ended and all it said is known."""
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        return code

    def restart(self, *, ready: bool = True) -> None:
        """Start it again, on the same log and the same ports, after a SIGTERM if it runs."""
        if self.process.poll() is None:
            assert self.stop() == 0, self.stderr
        self._start()
        if ready:
            self.wait_ready()

    def close(self) -> None:
        """Leave nothing running."""
        self.process.kill()
        self.wait()
        self._http.close()

    def _start(self) -> None:
        already = len(self.records(LISTENING))
        command = [*self._prefix, *self.command()]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env=self._env, text=True)
        self._silent = False  # nobody has its stderr any more
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        with self._news:
            if not self._news.wait_for(
                lambda: self._silent or len(self.records(LISTENING)) > already, PATIENCE
            ):
                pytest.fail(f"it does not listen; it said: {self.stderr}")
        found = self.records(LISTENING)
        if len(found) > already:
            self.listens(found[-1])

    def _read(self) -> None:
        stream = self.process.stderr
        assert stream is not None
        with stream:
            for line in stream:
                with self._news:
                    self.stderr.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._silent = True
            self._news.notify_all()

    def _alive(self) -> bool:
        if self.process.poll() is not None:
            pytest.fail(f"it exited with {self.process.returncode}; it said: {self.stderr}")
        return True

    def _status(self, field: str) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(text.partition(f"{field}:")[2].split()[0])


class Logd(Daemon):
    """One `logd`: its log and its ports."""

    def __init__(self, log: Path, options: Sequence[str], env: dict[str, str], prefix: Sequence[str]) -> None:
        """Start it and wait until it listens; `prefix` is a program that executes it."""
        self.log = log
        self._listen = held_port()
        self.port = port_of(self._listen)
        self._options = options
        super().__init__(env, prefix)

    def close(self) -> None:
        """Leave nothing running."""
        super().close()
        self._listen.close()

    def command(self) -> list[str]:
        """Listen where it did before."""
        ports = (f"--listen=127.0.0.1:{self.port}", f"--http=127.0.0.1:{self.http_port}")
        return [str(LOGD), f"--log={self.log}", "--keep-free=off", *ports, *self._options]

    def listens(self, record: dict[str, Any]) -> None:
        """Hear where it listens."""
        super().listens(record)
        self.port = _port(record["listen"][0])

    def connect(self) -> socket.socket:
        """Connect as a client does."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def send(self, data: bytes) -> None:
        """Send lines on a connection of their own; return once logd has read them and closed it."""
        with self.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""

    def text(self) -> str:
        """Give what is in the log."""
        return self.log.read_text(errors="surrogateescape")

    def wait_for_text(self, text: str) -> None:
        """Return once this is in the log."""
        wait_for(lambda: text in self.text(), f"{text!r} is in the log")


class StartLogd(Protocol):
    """What the fixture `logd` is."""

    def __call__(
        self,
        *options: str,
        log: Path | None = None,
        ready: bool = True,
        prefix: Sequence[str] = (),
        **variables: str,
    ) -> Logd:
        """Start a logd with more options and variables; unless told otherwise wait until it is ready."""


@pytest.fixture
def logd(tmp_path: Path) -> Generator[StartLogd]:
    """Start logd on free ports; whatever still runs after the test is killed."""
    with ExitStack() as stack:

        def start(
            *options: str,
            log: Path | None = None,
            ready: bool = True,
            prefix: Sequence[str] = (),
            **variables: str,
        ) -> Logd:
            env = {name: value for name, value in os.environ.items() if not name.startswith("LOGD_")}
            started = Logd(log or tmp_path / "node_log", options, env | variables, prefix)
            stack.callback(started.close)
            if ready:
                started.wait_ready()
            return started

        yield start


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
