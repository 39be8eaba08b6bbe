"""A node with real daemons and a real agent, for a real Prometheus to scrape."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.deploy.spoken import Spoken
from tests.ports import HOST
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.deploy.prometheus import Prometheus
    from tests.processes.logd import Logd

BIN = Path(sys.executable).parent
ARCHIVES = "all-logs-*.tar.gz"
HURRY = ("--tail=127.0.0.1:0", "--canary-every=500ms", "--look-every=250ms")


class Node:
    """One node, as Prometheus sees it, while the block lasts."""

    def __init__(self, prometheus: Prometheus) -> None:
        """Begin with nothing on it."""
        self._prometheus = prometheus
        self._stack = ExitStack()
        place = next(prometheus.places)
        self.name = place.node
        self._ports = place.ports
        self.port = place.collector
        """Where a collector may listen whose agent starts it."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing running."""
        self._stack.close()

    def shown(self, program: str) -> str:
        """Give the address where a program has to show its pages to be scraped."""
        return f"{HOST}:{self._ports[program]}"

    def http(self, program: str) -> str:
        """Give the option for it."""
        return f"--http={self.shown(program)}"

    def watch(self, logd: Logd, *options: str, port: int = 0) -> Spoken:
        """Have an agent watch this logd, through another port if told so, once both are scraped."""
        return self.agent(
            "watch",
            f"--collector={HOST}:{port or logd.port}",
            f"--daemon=logd={self.shown('logd')}",
            f"--disk={logd.log.parent}",
            f"--log={logd.log}",
            f"--archives={logd.log.parent / ARCHIVES}",
            "--archive-every=1h",
            *options,
        )

    def watch_disk(self, path: Path, *options: str) -> Spoken:
        """Have an agent watch a disk, and what the options say, where no collector is."""
        nowhere = (f"--collector={HOST}:{self.port}", f"--daemon=logd={self.shown('logd')}")
        return self.agent("watch", *nowhere, f"--disk={path}", *options)

    def agent(self, command: str, *options: str) -> Spoken:
        """Start an agent, and return once it has looked and is scraped."""
        agent = self.start(BIN / "nodeagent", command, self.http("nodeagent"), *HURRY, *options)
        self.wait_for("nodelog_agent_disk_size_bytes > 0")
        return agent

    def start(self, *command: str | Path) -> Spoken:
        """Start something on the node."""
        started = Spoken(command, PATH=os.environ["PATH"])
        self._stack.callback(started.close)
        return started

    def wait_for(self, condition: str) -> None:
        """Return once Prometheus has seen that a metric of the node, the first word, is like this."""
        metric, rest = condition.split(" ", 1)
        labels = metric.removesuffix("}") + "," if "{" in metric else metric + "{"
        query = f'{labels}node="{self.name}"}} {rest}'
        wait_for(lambda: self._prometheus.query(query), query)

    def wait_for_alert(self, name: str, containing: str = "") -> None:
        """Return once this alert fires for the node, with a summary that has this text in it."""
        self._prometheus.wait_for_alert(name, self.name, containing)

    def alerts(self, state: str = ".+") -> set[str]:
        """Give the names of the alerts that are there for the node, firing or soon."""
        return self._prometheus.alerts(self.name, state)
