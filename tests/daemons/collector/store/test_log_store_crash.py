"""Kills of a process that writes a store, by `killing`, for each of its workloads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.daemons.collector.store_kills import WORKLOADS

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("workload", [workload.__name__ for workload in WORKLOADS])
def test_a_kill_between_any_two_calls_loses_and_duplicates_nothing(workload: str) -> None:
    command = [sys.executable, "-m", "tests.daemons.collector.store_kills", workload]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    assert int(done.stdout) > 80  # otherwise the calls were not intercepted
