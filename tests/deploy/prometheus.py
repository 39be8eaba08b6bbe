"""A real Prometheus that scrapes what a test shows it, with the shipped rules in a hurry."""

from __future__ import annotations

import json
import math
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from tests.deploy.rules import ALERTS, in_a_hurry
from tests.deploy.spoken import Spoken
from tests.running import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

EVERY = 0.25
"""Seconds from one scrape to the next, and from one evaluation of the rules to the next."""
CONFIG = """\
global: {scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}
rule_files: [alerts.yaml]
scrape_configs:
  - {job_name: nodelog, file_sd_configs: [{files: [targets.json]}]}
"""


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
        self._targets: list[tuple[str, int]] = []
        self._folder = folder
        folder.mkdir()
        (folder / "prometheus.yml").write_text(CONFIG)
        (folder / "alerts.yaml").write_text(in_a_hurry(ALERTS.read_text()))
        self._show()
        self.process = Spoken(
            [
                str(shutil.which("prometheus")),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
                "--log.format=json",
            ]
        )
        address = self.process.wait_for(lambda record: record.get("msg") == "Listening on")["address"]
        self._url = f"http://{address}"
        self.process.wait_for(lambda record: "ready to receive" in record.get("msg", ""))

    def scrape(self, node: str, *ports: int) -> None:
        """Scrape these ports of this machine too, all of them as of one node."""
        self._targets += [(node, port) for port in ports]
        self._show()

    def forget(self, node: str) -> None:
        """Scrape that node no longer."""
        self._targets = [target for target in self._targets if target[0] != node]
        self._show()

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

    def wait_for_alert(self, name: str, node: str) -> dict[str, str]:
        """Return once this alert fires for the node; give its annotations."""
        wait_for(lambda: name in self.alerts(node), f"{name} fires for {node}")
        found = self._get("alerts")["alerts"]
        return next(
            dict(each["annotations"])
            for each in found
            if (each["labels"]["alertname"], each["labels"].get("node", "")) == (name, node)
        )

    def wait_for_data(self, node: str, *ports: int) -> None:
        """Return once these ports of the node were scraped."""
        wait_for(lambda: self._up(node) >= set(map(str, ports)), f"{node} is scraped")

    def _up(self, node: str) -> set[str]:
        found = self.query(f'up{{node="{node}"}} == 1')
        return {each.labels["instance"].rpartition(":")[2] for each in found}

    def _show(self) -> None:
        """Write down what to scrape, so that it is never seen in part."""
        groups = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"node": node}} for node, port in self._targets
        ]
        new = self._folder / "targets.new"
        new.write_text(json.dumps(groups))
        new.replace(self._folder / "targets.json")

    def _get(self, page: str, **parameters: object) -> dict[str, Any]:
        with urlopen(f"{self._url}/api/v1/{page}?{urlencode(parameters)}", timeout=PATIENCE) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
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


def _point(pair: list[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1]) if pair[1] != "NaN" else math.nan
