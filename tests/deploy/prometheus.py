"""A real Prometheus that scrapes what a test shows it, with the shipped rules in a hurry."""

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
from tests.deploy.rules import ALERTS, in_a_hurry
from tests.deploy.spoken import Spoken
from tests.ports import free_ports
from tests.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

PROGRAMS = ("logd", "logcd", "nodeagent")
EVERY = 0.25
"""Seconds from one scrape to the next, and from one evaluation of the rules to the next."""
NODES = 20
"""As many can be shown to one Prometheus."""
CONFIG = """\
global: {scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}
rule_files: [alerts.yaml]
scrape_configs:
"""
JOB = """\
  - job_name: %s
    static_configs:
"""
TARGET = """\
      - {targets: ["127.0.0.1:%d"], labels: {node: "%s"}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node that is scraped whether or not there is something.

    Its ports: for the pages of each program, and one to collect at.
    """

    node: str
    ports: dict[str, int]
    collector: int


@dataclass(frozen=True, slots=True)
class Series:
    """An answer to a query: labels, and values at times (seconds since the epoch)."""

    labels: dict[str, str]
    points: list[tuple[float, float]]

    @property
    def value(self) -> float:
        """The last value."""
        return self.points[-1][1]


class Prometheus:
    """A process, and what it is asked."""

    def __init__(self, folder: Path) -> None:
        """Start it in this folder, and wait until it answers."""
        # All it may have to scrape is there from the start: news of targets takes it up to ten seconds.
        places = list(_places(NODES))
        self.places = iter(places)
        """Those that nobody has taken yet."""
        folder.mkdir()
        (folder / "prometheus.yml").write_text(_config(places))
        (folder / "alerts.yaml").write_text(in_a_hurry(ALERTS.read_text()))
        self.process = Spoken(
            [
                str(shutil.which("prometheus")),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
                "--log.format=json",
            ]
        )
        said = self.process.wait_for(lambda record: record.get("msg") == "Listening on")
        self._address: str = said["address"]
        self.process.wait_for(lambda record: "ready to receive" in record.get("msg", ""))

    def query(self, expression: str) -> list[Series]:
        """Ask for what is now. Fails on an expression that is none."""
        found = self._get("query", query=expression)["result"]
        return [Series(each["metric"], [_point(each["value"])]) for each in found]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Ask for what was, every `step` seconds."""
        found = self._get("query_range", query=expression, start=start, end=end, step=step)["result"]
        return [Series(each["metric"], [_point(one) for one in each["values"]]) for each in found]

    def rules(self) -> list[dict[str, Any]]:
        """Give the rules as it has understood them."""
        (group,) = self._get("rules")["groups"]
        rules: list[dict[str, Any]] = group["rules"]
        return rules

    def alerts(self, node: str, state: str = "firing") -> set[str]:
        """Give the names of the alerts in a state, a pattern, that there are for a node."""
        found = self.query(f'ALERTS{{alertstate=~"{state}", node="{node}"}}')
        return {each.labels["alertname"] for each in found}

    def wait_for_alert(self, name: str, node: str, containing: str = "") -> None:
        """Return once this alert fires for the node, with a summary that has this text in it."""

        def is_it(alert: dict[str, Any]) -> bool:
            labels, text = alert["labels"], alert["annotations"]["summary"]
            is_ours = (labels["alertname"], labels.get("node", "")) == (name, node)
            return is_ours and alert["state"] == "firing" and containing in text

        wait_for(
            lambda: any(map(is_it, self._get("alerts")["alerts"])), f"{name} fires for {node}: {containing}"
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
    """Run one for as long as the block lasts."""
    if shutil.which("prometheus") is None:
        pytest.skip("needs prometheus")
    prometheus = Prometheus(folder)
    try:
        yield prometheus
    finally:
        prometheus.process.close()


def _places(count: int) -> Iterator[Place]:
    """Give nodes with ports of their own."""
    ports = free_ports()
    for number in range(count):
        pages = {program: next(ports) for program in PROGRAMS}
        yield Place(node=f"node-{number}", ports=pages, collector=next(ports))


def _config(places: Sequence[Place]) -> str:
    parts = [CONFIG]
    for program in PROGRAMS:
        parts += [JOB % program, *(TARGET % (place.ports[program], place.node) for place in places)]
    return "".join(parts)


def _point(pair: list[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1]) if pair[1] != "NaN" else math.nan
