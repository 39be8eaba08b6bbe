"""The comparison of two checkouts alternates which goes first, and judges by the ratio of each pair."""

from pathlib import Path

import pytest
from tests.bench import compare_checkouts
from tests.bench.collectors.cells import Cell
from tests.bench.collectors.measurements import Figures, Load
from tests.bench.collectors.systems import SYSTEMS, System
from tests.bench.workspace import Workspace

CELL = Cell(name="small", title="a small one", load=Load(connections=2), shown=("cpu_seconds_per_gb",))
LOGD = next(system for system in SYSTEMS if system.name == "logd")


def test_the_other_checkout_runs_its_own_program_with_the_same_options(tmp_path: Path) -> None:
    place = Workspace(tmp_path, 1, 2, 3)
    program, *options = compare_checkouts.command_of(LOGD, Path("/other"), place)
    assert program == "/other/.venv/bin/logd"
    assert options == LOGD.command(place)[1:]


def test_each_pair_swaps_which_checkout_is_measured_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    order: list[str] = []

    def run_once(system: System, cell: Cell, folder: Path | None) -> Figures:
        assert (cell, folder) == (CELL, tmp_path)
        order.append(system.name)
        return {"cpu_seconds_per_gb": float(len(order))}

    monkeypatch.setattr(compare_checkouts, "run_once", run_once)
    this, other = (System(name=name, version=str, command=LOGD.command) for name in ("this", "other"))
    pairs = list(compare_checkouts.measured_pairs(CELL, (this, other), 2, tmp_path))
    assert order == ["this", "other", "other", "this"]
    assert [figures["cpu_seconds_per_gb"] for pair in pairs for figures in pair] == [1.0, 2.0, 4.0, 3.0]


def test_the_table_has_the_median_of_the_ratios_not_the_ratio_of_the_medians() -> None:
    values = [(1.0, 2.0), (6.0, 4.0), (9.0, 3.0)]
    text = compare_checkouts.table(
        [({"cpu_seconds_per_gb": a}, {"cpu_seconds_per_gb": b}) for a, b in values], CELL
    )
    assert "| CPU-s/GB | 6.00 | 3.00 | 1.500 (0.500 to 3.000) |" in text
