"""The shipped dashboard: its panels, and its queries with the variables that Grafana fills in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.deploy.rules import DEPLOY

if TYPE_CHECKING:
    from collections.abc import Mapping

DASHBOARD = DEPLOY / "grafana" / "nodelog.json"
_LABEL = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and the legend that names its series."""

    expression: str
    legend: str

    def fill(self, node: str, interval: str) -> str:
        """Return the expression for one node and one rate interval."""
        return self.expression.replace("$node", node).replace("$__rate_interval", interval)

    def series_name(self, labels: Mapping[str, str]) -> str:
        """Return the name of a series."""
        return _LABEL.sub(lambda found: labels.get(found[1], ""), self.legend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel."""

    title: str
    row: str
    unit: str
    position: tuple[int, int, int, int]  # left, top, width, height, in Grafana's grid
    queries: list[Query]


def panels() -> list[Panel]:
    """Return the panels in order."""
    found, row = [], ""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        else:
            found.append(_panel(panel, row))
    return found


def _panel(panel: dict[str, Any], row: str) -> Panel:
    grid = panel["gridPos"]
    return Panel(
        title=panel["title"],
        row=row,
        unit=panel["fieldConfig"]["defaults"]["unit"],
        position=(grid["x"], grid["y"], grid["w"], grid["h"]),
        queries=[Query(target["expr"], target["legendFormat"]) for target in panel["targets"]],
    )
