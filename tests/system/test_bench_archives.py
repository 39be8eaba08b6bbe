"""The archive measurements of `make bench`, on small logs; and the properties of the sample logs."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from tests.bench.archivers import cells
from tests.bench.archivers.cells import CELLS, day_of_growth, first_archive, growth, no_change, small_files
from tests.bench.archivers.sample_logs import SampleLogs
from tests.bench.archivers.tar_and_logcd import MeasuredLogcd, assert_archive_matches
from tests.bench.collectors.cells import CELLS as OTHERS
from tests.bench.report.tables import archive_table
from tests.bench.workspace import RunFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.bench.archivers.cells import Cell, Runs

    Measure = Callable[[Path, int], Runs]

MIB = 1 << 20


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make all logs and cycles small."""
    for name, value in {
        "GIB": 4 * MIB,
        "SMALL_FILES": 40,
        "DAY": 20,
        "DAY_SIZE": MIB,
        "IDLE_CYCLES": 2,
        "MEASURED_CYCLES": 3,
    }.items():
        monkeypatch.setattr(cells, name, value)


def cell_of(measure: Measure) -> Cell:
    return next(cell for cell in CELLS if cell.measure is measure)


def test_sample_logs_compress_like_real_ones(tmp_path: Path) -> None:
    logs = SampleLogs(tmp_path, [MIB] * 6)
    data = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert len(data) == logs.size
    assert 6 < len(data) / len(gzip.compress(data, 6)) < 10


def test_sample_logs_are_equal_for_the_same_seed_and_have_whole_lines(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        logs = SampleLogs(tmp_path / name, [5000, 5 * MIB])
        logs.grow(0, 7)
    one, other = (
        [path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in ("one", "other")
    )
    assert one == other
    assert all(data.endswith(b"\n") for data in one)
    assert 5 * MIB <= len(one[1]) < 5 * MIB + 1000


@pytest.mark.parametrize("measure", [first_archive, growth, small_files])
def test_logcd_and_tar_are_measured_in_turn(tmp_path: Path, measure: Measure) -> None:
    cell = cell_of(measure)
    runs = cell.measure(tmp_path, 2)
    assert len(runs["logcd"]) == len(runs["tar czf"]) == 2
    assert all(run["cpu_of"] == run["size_of"] == 1 for run in runs["tar czf"])
    assert all(run["cpu"] > 0 and 0.5 < run["size_of"] < 2 for run in runs["logcd"])
    assert "| tar czf |" in archive_table(cell, runs)


@pytest.mark.parametrize(("measure", "rows"), [(no_change, 1), (day_of_growth, 3)])
def test_cells_without_tar_have_all_figures(tmp_path: Path, measure: Measure, rows: int) -> None:
    cell = cell_of(measure)
    table = archive_table(cell, cell.measure(tmp_path, 1))
    assert table.count("\n| ") == rows + 2
    assert "|  |" not in table.partition("---")[2]


def test_an_archive_that_differs_from_the_logs_fails_the_run(tmp_path: Path) -> None:
    logs = SampleLogs(tmp_path, [5000])
    daemon = MeasuredLogcd(tmp_path)
    try:
        assert_archive_matches(daemon.archive)
        logs.grow(0, 1)
        with pytest.raises(RunFailed, match="the archive differs from the logs"):
            assert_archive_matches(daemon.archive)
    finally:
        daemon.close()


def test_each_cell_has_a_unique_name() -> None:
    names = [cell.name for cell in CELLS] + [cell.name for cell in OTHERS]
    assert len(set(names)) == len(names)
    # The Makefile distinguishes them by this prefix.
    assert all(cell.name.startswith("archive-") for cell in CELLS)
    assert not any(cell.name.startswith("archive-") for cell in OTHERS)
