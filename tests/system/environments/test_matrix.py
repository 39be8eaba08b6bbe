"""In every environment, with memory and with a file: all lines are stored, and none twice."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.processes.logd import Logd
from tests.system.environments.cells import NAMES, Cell, Outcome
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Generator

Cells = dict[tuple[str, bool], tuple[Cell, Future[Outcome]]]
AT_A_TIME = 5


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Generator[Logd]:
    """Return one logd for all cells."""
    logd = Logd(tmp_path_factory.mktemp("logd") / "node_log", ["--sync=off"], {}, ())
    logd.wait_ready()
    yield logd
    logd.close()


@pytest.fixture(scope="module")
def cells(collector: Logd, tmp_path_factory: pytest.TempPathFactory) -> Generator[Cells]:
    """Return all cells, which run already, some at a time."""
    with ThreadPoolExecutor(AT_A_TIME) as runners:
        cells: Cells = {}
        for name in NAMES:
            for has_spool in (False, True):
                cell = Cell(
                    name=name,
                    has_spool=has_spool,
                    port=collector.port,
                    folder=tmp_path_factory.mktemp(name),
                    is_stored=lambda label, count: stored(collector, label).total() >= count,
                )
                cells[name, has_spool] = cell, runners.submit(cell.run)
        yield cells


def stored(collector: Logd, label: str) -> Counter[str]:
    """Return the lines of a cell in the log."""
    return Counter(line for line in collector.text().splitlines() if line.startswith(f"{label} "))


@pytest.mark.parametrize("has_spool", [False, True], ids=["memory", "spool"])
@pytest.mark.parametrize("name", NAMES)
def test_each_line_is_stored_once(collector: Logd, cells: Cells, name: str, *, has_spool: bool) -> None:
    cell, running = cells[name, has_spool]
    outcome = running.result()
    # A daemon goes on when its parent has ended; all others have delivered what they logged.
    wait_for(lambda: stored(collector, cell.label).total() >= outcome.count, f"lines of {cell.label}")
    lines = stored(collector, cell.label)
    assert lines.total() == len(lines) == outcome.count
    assert "nodelog:" not in outcome.stderr
    assert "Traceback" not in outcome.stderr
