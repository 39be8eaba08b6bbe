"""A real Prometheus that scrapes the nodes of the tests, with the shipped rules, sped up."""

from __future__ import annotations

import json
import math
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from tests.deploy.json_process import JsonProcess
from tests.deploy.rules import ALERTS, speed_up
from tests.ports import free_ports
from tests.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

PROGRAMS = ("logd", "logcd", "nodeagent")
INTERVAL = 0.25
"""Seconds between two scrapes, and between two evaluations of the rules."""
NODES = 20
"""The number of nodes in the configuration of one Prometheus."""
CONFIG = """\
global: {scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}
rule_files: [alerts.yaml]
scrape_configs:
"""
JOB = """\
  - job_name: %s
    static_configs:
"""
TARGET_CONFIG = """\
      - {targets: ["127.0.0.1:%d"], labels: {node: "%s"}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A node that is scraped whether or not anything runs on it.

    `ports` are those for the pages of each program, `collector` is the port for a collector to listen on.
    """

    node: str
    ports: dict[str, int]
    collector: int


@dataclass(frozen=True, slots=True)
class Series:
    """A series in the answer to a query: labels, and values at times (seconds since the epoch)."""

    labels: dict[str, str]
    points: list[tuple[float, float]]

    @property
    def value(self) -> float:
        """The last value."""
        return self.points[-1][1]


class Prometheus:
    """The process, and its query API."""

    def __init__(self, folder: Path) -> None:
        """Start it in this folder and wait until it answers."""
        # All targets are configured from the start: Prometheus takes up to ten seconds to notice new ones.
        targets = list(_targets(NODES))
        self.targets = iter(targets)
        """The targets that no node has taken yet."""
        folder.mkdir()
        (folder / "prometheus.yml").write_text(_config(targets))
        (folder / "alerts.yaml").write_text(speed_up(ALERTS.read_text()))
        self.process = JsonProcess(
            [
                str(shutil.which("prometheus")),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
                "--log.format=json",
            ]
        )
        record = self.process.wait_for(lambda record: record.get("msg") == "Listening on")
        self._address: str = record["address"]
        self.process.wait_for(lambda record: "ready to receive" in record.get("msg", ""))

    def query(self, expression: str) -> list[Series]:
        """Evaluate an expression now. Fails if it is invalid."""
        found = self._get("query", query=expression)["result"]
        return [Series(each["metric"], [_point(each["value"])]) for each in found]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Evaluate an expression over a time range, every `step` seconds."""
        found = self._get("query_range", query=expression, start=start, end=end, step=step)["result"]
        return [Series(each["metric"], [_point(one) for one in each["values"]]) for each in found]

    def rules(self) -> list[dict[str, Any]]:
        """Return the loaded rules."""
        (group,) = self._get("rules")["groups"]
        rules: list[dict[str, Any]] = group["rules"]
        return rules

    def alerts(self, node: str, state: str = "firing") -> set[str]:
        """Return the names of the alerts of a node whose state matches the pattern."""
        found = self.query(f'ALERTS{{alertstate=~"{state}", node="{node}"}}')
        return {each.labels["alertname"] for each in found}

    def wait_for_alert(self, name: str, node: str, containing: str = "") -> None:
        """Wait until this alert fires for the node with a summary that contains the text."""

        def matches(alert: dict[str, Any]) -> bool:
            labels, text = alert["labels"], alert["annotations"]["summary"]
            is_wanted = (labels["alertname"], labels.get("node", "")) == (name, node)
            return is_wanted and alert["state"] == "firing" and containing in text

        wait_for(
            lambda: any(map(matches, self._get("alerts")["alerts"])), f"{name} fires for {node}: {containing}"
        )

    def _get(self, page: str, **parameters: object) -> dict[str, Any]:
        connection = HTTPConnection(self._address, timeout=PATIENCE)
        try:
            connection.request("GET", f"/api/v1/{page}?{urlencode(parameters)}")
            answer: dict[str, Any] = json.load(connection.getresponse())
        finally:
            connection.close()
        assert answer["status"] == "success", (parameters, answer)
        data: dict[str, Any] = answer["data"]
        return data


@contextmanager
def running(folder: Path) -> Generator[Prometheus]:
    """Run a Prometheus while the block runs."""
    if shutil.which("prometheus") is None:
        pytest.skip("needs prometheus")
    prometheus = Prometheus(folder)
    try:
        yield prometheus
    finally:
        prometheus.process.close()


def _targets(count: int) -> Iterator[Target]:
    """Yield nodes with ports of their own."""
    ports = free_ports()
    for number in range(count):
        pages = {program: next(ports) for program in PROGRAMS}
        yield Target(node=f"node-{number}", ports=pages, collector=next(ports))


def _config(targets: Sequence[Target]) -> str:
    parts = [CONFIG]
    for program in PROGRAMS:
        parts += [
            JOB % program,
            *(TARGET_CONFIG % (target.ports[program], target.node) for target in targets),
        ]
    return "".join(parts)


def _point(pair: list[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1]) if pair[1] != "NaN" else math.nan
