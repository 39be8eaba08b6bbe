"""A daemon as a real process: its HTTP pages, its log on stderr, its memory and its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from abc import ABC, abstractmethod
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.ports import held_port, port_of
from tests.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

LISTENING = "HTTP on"  # what every daemon logs once its ports are open


class Daemon(ABC):
    """A daemon process."""

    def __init__(self, env: dict[str, str], prefix: Sequence[str] = ()) -> None:
        """Start it and wait until it listens; `prefix` is a program that executes it."""
        self._http = held_port()
        self.http_port = port_of(self._http)
        self.stderr: list[str] = []  # the lines of all starts
        self._env = env
        self._prefix = prefix
        self._stderr_changed = threading.Condition()
        self._start()

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line for the next start."""

    def note_ports(self, record: dict[str, Any]) -> None:
        """Take the ports from the record that says where it listens."""
        self.http_port = port_in(record["http"][0])

    @property
    def http(self) -> str:
        """The URL of its pages."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def pid(self) -> int:
        """The process ID."""
        return self.process.pid

    def records(self, containing: str = "") -> list[dict[str, Any]]:
        """Return the records of its log on stderr whose message contains this text."""
        records = [json.loads(line) for line in list(self.stderr) if line.startswith("{")]
        return [record for record in records if containing in record["message"]]

    def wait_ready(self) -> None:
        """Return once /readyz answers 200."""
        wait_for(lambda: self._alive() and self.readyz()[0] == 200, "it is ready")

    def readyz(self) -> tuple[int, dict[str, Any]]:
        """Return the status and the content of /readyz."""
        return self.get_json("/readyz")

    def get_json(self, path: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the content of a JSON page."""
        status, body = self.get(path)
        return status, json.loads(body)

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and the text of a page."""
        connection = HTTPConnection("127.0.0.1", self.http_port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, HTTPException) as error:
            pytest.fail(f"no answer to {path}: {error!r}; stderr: {self.stderr}")
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of the samples with these labels; 0 for a metric that has none yet."""
        families = list(text_string_to_metric_families(self.get("/metrics")[1]))
        if not any(name.startswith(family.name) for family in families):
            pytest.fail(f"no metric {name}")
        samples = [sample for family in families for sample in family.samples]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    def rss(self) -> int:
        """Return its resident memory in bytes."""
        return self._memory("VmRSS")

    def peak_rss(self) -> int:
        """Return the peak of its resident memory in bytes."""
        return self._memory("VmHWM")

    def cpu_seconds(self) -> float:
        """Return the CPU time it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """Stop it with SIGTERM and return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.kill()
        self.wait()

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait until it has ended and its stderr is read; return its exit code."""
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        return code

    def restart(self, *, ready: bool = True) -> None:
        """Start it again on the same log and the same ports; stop it with SIGTERM first if it runs."""
        if self.process.poll() is None:
            assert self.stop() == 0, self.stderr
        self._start()
        if ready:
            self.wait_ready()

    def close(self) -> None:
        """Kill it and release its port."""
        self.process.kill()
        self.wait()
        self._http.close()

    def _start(self) -> None:
        earlier = len(self.records(LISTENING))
        command = [*self._prefix, *self.command()]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env=self._env, text=True)
        self._is_stderr_closed = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        with self._stderr_changed:
            if not self._stderr_changed.wait_for(
                lambda: self._is_stderr_closed or len(self.records(LISTENING)) > earlier, PATIENCE
            ):
                pytest.fail(f"it does not listen; stderr: {self.stderr}")
        records = self.records(LISTENING)
        if len(records) > earlier:
            self.note_ports(records[-1])

    def _read(self) -> None:
        stream = self.process.stderr
        assert stream is not None
        with stream:
            for line in stream:
                with self._stderr_changed:
                    self.stderr.append(line.rstrip("\n"))
                    self._stderr_changed.notify_all()
        with self._stderr_changed:
            self._is_stderr_closed = True
            self._stderr_changed.notify_all()

    def _alive(self) -> bool:
        if self.process.poll() is not None:
            pytest.fail(f"it exited with {self.process.returncode}; stderr: {self.stderr}")
        return True

    def _memory(self, field: str) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(text.partition(f"{field}:")[2].split()[0])


def port_in(address: str) -> int:
    """Return the port of `host:port`."""
    return int(address.rpartition(":")[2])
