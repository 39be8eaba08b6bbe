from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.deploy import busy_node
from tests.deploy.dashboard import DASHBOARD, panels
from tests.deploy.monitored_node import Node
from tests.faults.mounts import disk_in_memory
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.deploy.prometheus import Prometheus

RATE_INTERVAL = "5s"
SELECTOR = re.compile(r"\bnodelog_\w+(?:\{[^}]*\})?(?:\[\w+\])?")
COMPARISON = re.compile(r" (==|!=|<=|>=|<|>) ")


@pytest.fixture(scope="module")
def busy(prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Start a node that uses everything, with a disk of its own; yield its name."""
    path = tmp_path_factory.mktemp("busy") / "disk"
    with disk_in_memory(path, busy_node.DISK_SIZE), Node(prometheus) as node:
        busy_node.start_everything(node, path)
        busy_node.start_load(node, 2000)
        node.wait_for("nodelog_relp_frames_total > 10")
        yield node.name


def expressions(prometheus: Prometheus) -> list[str]:
    return [rule["query"] for rule in prometheus.rules()]


def test_every_query_of_the_dashboard_returns_data(prometheus: Prometheus, busy: str) -> None:
    queries = {query.fill(busy, RATE_INTERVAL) for panel in panels() for query in panel.queries}
    assert len(queries) > 30
    for query in queries:
        wait_for(lambda asked=query: prometheus.query(asked), query)  # type: ignore[misc]


def test_every_series_of_the_rules_has_data(prometheus: Prometheus, busy: str) -> None:
    selectors = {found for query in expressions(prometheus) for found in SELECTOR.findall(query)}
    assert len(selectors) > 12
    for selector in selectors:
        query = f"count_over_time({selector})" if "[" in selector else selector
        wait_for(lambda asked=query: has_node(prometheus, asked, busy), query)  # type: ignore[misc]


def test_every_condition_of_the_rules_can_be_evaluated(prometheus: Prometheus, busy: str) -> None:
    for query in filter(COMPARISON.search, expressions(prometheus)):
        as_bool = COMPARISON.sub(r" \1 bool ", query)
        wait_for(lambda asked=as_bool: has_node(prometheus, asked, busy), as_bool)  # type: ignore[misc]


def has_node(prometheus: Prometheus, query: str, node: str) -> bool:
    return any(each.labels.get("node") == node for each in prometheus.query(query))


def test_a_healthy_node_has_no_alert(prometheus: Prometheus, busy: str) -> None:
    cycles = f'sum(nodelog_archive_cycles_total{{node="{busy}"}}) > 5'
    wait_for(lambda: prometheus.query(cycles), cycles)
    # Except at the start, when the agent checks daemons that are not up yet.
    recent = f'max_over_time(ALERTS{{node="{busy}"}}[3s])'
    wait_for(lambda: prometheus.query(recent) == [], "for three seconds there is no alert")


def test_panels_do_not_overlap() -> None:
    for one, other in itertools.combinations(panels(), 2):
        (left, top, width, height), (x, y, w, h) = one.position, other.position
        assert x >= left + width or left >= x + w or y >= top + height or top >= y + h, (one, other)


def test_each_panel_has_a_description_and_an_id_of_its_own() -> None:
    found = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    assert all(panel["description"] for panel in found if panel["type"] != "row")


def test_a_legend_uses_only_labels_that_the_query_keeps() -> None:
    for panel in panels():
        for query in panel.queries:
            kept = re.search(r"sum by \(([\w, ]+)\)", query.expression)
            if kept and "histogram" not in query.expression:
                assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) <= set(kept[1].split(", "))


def test_each_legend_names_its_node() -> None:
    assert all("{{node}}" in query.legend for panel in panels() for query in panel.queries)


def test_every_query_can_be_limited_to_a_node() -> None:
    for panel in panels():
        for query in panel.queries:
            selectors = SELECTOR.findall(query.expression) or re.findall(r"ALERTS\{[^}]*\}", query.expression)
            assert selectors
            assert all('node=~"$node"' in selector for selector in selectors), query.expression
