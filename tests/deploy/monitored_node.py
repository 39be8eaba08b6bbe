"""A node with real daemons and a real agent, for a real Prometheus to scrape."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.deploy.json_process import JsonProcess
from tests.ports import HOST
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.deploy.prometheus import Prometheus
    from tests.processes.logd import Logd

BIN = Path(sys.executable).parent
ARCHIVES = "all-logs-*.tar.gz"
SHORT_INTERVALS = ("--tail=127.0.0.1:0", "--canary-every=500ms", "--look-every=250ms")


class Node:
    """One node that Prometheus scrapes while the block runs."""

    def __init__(self, prometheus: Prometheus) -> None:
        """Take one of the targets of Prometheus; nothing runs on it yet."""
        self._prometheus = prometheus
        self._stack = ExitStack()
        target = next(prometheus.targets)
        self.name = target.node
        self._ports = target.ports
        self.port = target.collector
        """A free port for a collector that the agent starts."""

    def __enter__(self) -> Self:
        """Return the node."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything that was started on it."""
        self._stack.close()

    def http_address(self, program: str) -> str:
        """Return the address at which Prometheus scrapes the pages of a program."""
        return f"{HOST}:{self._ports[program]}"

    def http_option(self, program: str) -> str:
        """Return the option that sets this address."""
        return f"--http={self.http_address(program)}"

    def watch(self, logd: Logd, *options: str, port: int = 0) -> JsonProcess:
        """Start an agent that watches this logd, and probes it at `port` if given."""
        return self.start_agent(
            "watch",
            f"--collector={HOST}:{port or logd.port}",
            f"--daemon=logd={self.http_address('logd')}",
            f"--disk={logd.log.parent}",
            f"--log={logd.log}",
            f"--archives={logd.log.parent / ARCHIVES}",
            "--archive-every=1h",
            *options,
        )

    def watch_disk(self, path: Path, *options: str) -> JsonProcess:
        """Start an agent that watches a disk, and what the options name, on a node without a collector."""
        no_collector = (f"--collector={HOST}:{self.port}", f"--daemon=logd={self.http_address('logd')}")
        return self.start_agent("watch", *no_collector, f"--disk={path}", *options)

    def start_agent(self, command: str, *options: str) -> JsonProcess:
        """Start an agent; return once it has run its checks and was scraped."""
        agent = self.start(
            BIN / "nodeagent", command, self.http_option("nodeagent"), *SHORT_INTERVALS, *options
        )
        self.wait_for("nodelog_agent_disk_size_bytes > 0")
        return agent

    def start(self, *command: str | Path) -> JsonProcess:
        """Start a program on the node."""
        started = JsonProcess(command, PATH=os.environ["PATH"])
        self._stack.callback(started.close)
        return started

    def wait_for(self, condition: str) -> None:
        """Wait until Prometheus sees the condition; its first word is a metric of the node."""
        metric, rest = condition.split(" ", 1)
        labels = metric.removesuffix("}") + "," if "{" in metric else metric + "{"
        query = f'{labels}node="{self.name}"}} {rest}'
        wait_for(lambda: self._prometheus.query(query), query)

    def wait_for_alert(self, name: str, containing: str = "") -> None:
        """Wait until this alert fires for the node with a summary that contains the text."""
        self._prometheus.wait_for_alert(name, self.name, containing)

    def alerts(self, state: str = ".+") -> set[str]:
        """Return the names of the alerts for the node, firing and pending ones by default."""
        return self._prometheus.alerts(self.name, state)
