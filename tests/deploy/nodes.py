"""A node with real daemons and a real agent, for a real Prometheus to scrape."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.deploy.spoken import Spoken
from tests.running import wait_for

if TYPE_CHECKING:
    from tests.deploy.prometheus import Prometheus
    from tests.running import Logd

BIN = Path(sys.executable).parent
HURRY = ("--http=127.0.0.1:0", "--tail=127.0.0.1:0", "--canary-every=1s", "--look-every=1s")


class Node:
    """One node, as Prometheus sees it, while the block lasts."""

    def __init__(self, name: str, prometheus: Prometheus) -> None:
        """Begin with nothing on it."""
        self.name = name
        self._prometheus = prometheus
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Begin."""
        self._stack.callback(self._prometheus.forget, self.name)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing running, and nothing to scrape."""
        self._stack.close()

    def watch(self, logd: Logd, *options: str, port: int = 0) -> Spoken:
        """Have an agent watch this logd, through another port if told so, once it has been looked at."""
        options = (
            f"--collector=127.0.0.1:{port or logd.port}",
            f"--daemon=logd=127.0.0.1:{logd.http_port}",
            f"--disk={logd.log.parent}",
            f"--log={logd.log}",
            f"--archives={logd.log.parent}",
            "--archive-every=1h",
            *options,
        )
        self.scrape(logd.http_port)
        return self.agent("watch", *options)

    def agent(self, command: str, *options: str) -> Spoken:
        """Start an agent, and return once Prometheus has seen what it found at its first look."""
        agent = self.start(BIN / "nodeagent", command, *HURRY, *options)
        found = agent.wait_for(lambda record: "HTTP on" in record["message"])
        self.scrape(int(found["http"][0].rpartition(":")[2]))
        return agent

    def start(self, *command: str | Path) -> Spoken:
        """Start something on the node."""
        started = Spoken(command, PATH=os.environ["PATH"])
        self._stack.callback(started.close)
        return started

    def scrape(self, port: int) -> None:
        """Have what is there scraped."""
        self._prometheus.scrape(self.name, port)
        self._prometheus.wait_for_data(self.name, port)

    def wait_for(self, metric: str, value: float) -> None:
        """Return once Prometheus has seen this value of a metric of the node, whatever its other labels."""
        query = f'{metric}{{node="{self.name}"}} == {value}'
        wait_for(lambda: self._prometheus.query(query), query)

    def wait_for_alert(self, name: str) -> dict[str, str]:
        """Return once this alert fires for the node; give its annotations."""
        return self._prometheus.wait_for_alert(name, self.name)

    def alerts(self) -> set[str]:
        """Give the names of the alerts that are there for the node, firing or soon."""
        return self._prometheus.alerts(self.name, ".+")
