"""The comparison of `make bench`: its tables, its remarks, and real runs of logd."""

import math
import socket
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bench.collectors.cells import CELLS, Cell
from tests.bench.collectors.churn import burst, churn
from tests.bench.collectors.collector_process import CollectorProcess, running_collector
from tests.bench.collectors.measurements import Figures, Load, throughput
from tests.bench.collectors.systems import SYSTEMS
from tests.bench.report.bar_chart import bar_chart
from tests.bench.report.tables import remarks, table
from tests.bench.workspace import Workspace
from tests.ports import free_ports

CELL = Cell(name="small", title="a small cell", load=Load(connections=2))
RUN = {"bytes_per_second": 1e9, "cpu_seconds_per_gb": 0.5, "peak_rss": 36e6, "limited": 0.0, "machine": 0.5}


def test_a_table_has_medians_their_spread_and_the_ratio_run_by_run() -> None:
    of_logd = [RUN | {"bytes_per_second": rate} for rate in (1e9, 3e9, 2e9)]
    of_other = [RUN | {"bytes_per_second": rate} for rate in (1e9, 1e9, 0.5e9)]
    text = table(CELL, {"logd": of_logd, "other": of_other})
    assert "| logd | 2.00 (1.00 to 3.00) | 0.50 | 36 | 1.00 |" in text
    assert "| other | 1.00 (0.50 to 1.00) | 0.50 | 36 | 3.00 |" in text


def test_an_unknown_figure_is_shown_as_unknown() -> None:
    assert "| unknown |" in table(CELL, {"logd": [RUN | {"cpu_seconds_per_gb": math.nan}]})


def test_remarks_name_lost_lines_and_an_overloaded_generator() -> None:
    assert remarks([RUN, RUN | {"lost": 3.0}, RUN | {"torn": 1.0, "limited": 1.0}]) == (
        "the generator was the limit in 1 of 3; lost 3; torn 1"
    )
    assert not remarks([RUN])


def test_a_chart_is_svg_with_a_bar_for_each_system() -> None:
    root = ET.fromstring(bar_chart(CELL, {"logd": [RUN], "a < b": [RUN], "not measured": []}))  # noqa: S314 (our own)
    assert len(root.findall("{*}rect")) == 2
    assert "a < b" in [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_each_cell_has_a_unique_name_and_existing_systems() -> None:
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    names = {system.name for system in SYSTEMS}
    assert all(set(cell.systems) <= names for cell in CELLS)


def test_a_run_finds_every_line_in_the_log_of_logd(tmp_path: Path) -> None:
    logd = next(system for system in SYSTEMS if system.name == "logd")
    ports = free_ports()
    place = Workspace(tmp_path, next(ports), next(ports), 2)
    with running_collector(logd, place) as run:
        figures = throughput(run, Load(connections=2, line=128, rate=100_000, seconds=1))
    assert figures["received"] == 1.0
    assert not any(figures[name] for name in ("lost", "doubled", "torn", "reordered"))
    assert figures["bytes_per_second"] > 0
    assert figures["peak_rss"] > 10e6


@pytest.mark.parametrize(("measure", "connections"), [(churn, 2), (burst, 100)])
def test_a_connection_for_each_line_is_counted_and_none_is_lost(
    tmp_path: Path, measure: Callable[[CollectorProcess, Load], Figures], connections: int
) -> None:
    logd = next(system for system in SYSTEMS if system.name == "logd")
    ports = free_ports()
    place = Workspace(tmp_path, next(ports), next(ports), connections)
    with running_collector(logd, place) as run:
        figures = measure(run, Load(connections=connections, seconds=1))
    assert figures["received"] == 1.0
    assert not any(figures[name] for name in ("failed", "lost", "doubled", "torn"))
    assert figures["connections_per_second"] > 0
    assert 0 < figures["p50"] <= figures["p99"] <= figures["worst"]


def test_changed_lines_are_counted_as_torn(tmp_path: Path) -> None:
    """A forger between generator and logd changes the first byte of every line."""
    logd = next(system for system in SYSTEMS if system.name == "logd")
    ports = free_ports()
    place = Workspace(tmp_path, next(ports), next(ports), 1)
    with socket.create_server(("127.0.0.1", 0)) as listener, running_collector(logd, place) as run:
        forger = threading.Thread(target=_forge, args=(listener, place.port))
        forger.start()
        run.place = Workspace(tmp_path, listener.getsockname()[1], place.http, 1)
        figures = throughput(run, Load(connections=1, rate=1000, write=0, seconds=1))
        forger.join()
    assert figures["torn"] == 1000


def _forge(listener: socket.socket, port: int) -> None:
    client, _ = listener.accept()
    with client, client.makefile("rb") as lines, socket.create_connection(("127.0.0.1", port)) as collector:
        for line in lines:
            collector.sendall(b"x" + line[1:])
        collector.shutdown(socket.SHUT_WR)
        collector.recv(1)
