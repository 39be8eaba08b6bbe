"""What holds for every test: both event loops, no deadline on hypothesis, and nothing skipped under CI."""

import asyncio
import os
from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

import hypothesis
import pytest
import uvloop

# The fixtures logd, logcd, faults, small_disk, freezable, image, start and cluster; here, before tests.soak
# imports what they are made of.
pytest_plugins = [
    "tests.running",
    "tests.archiving",
    "tests.libfiu",
    "tests.mounts",
    "tests.deploy.docker",
    "tests.deploy.three_nodes",
    "tests.workers",
]

# Hundreds of processes are started: let the first one compile for all.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)

# Examples are run as long as they need: a busy machine is not a bug.
hypothesis.settings.register_profile("nodelog", deadline=None, print_blob=True)
hypothesis.settings.load_profile("nodelog")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every async test twice: the daemons use uvloop, and fall back on asyncio's own loop."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let no test be skipped in silence where nobody looks."""
    return _not_skipped((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let no file of tests be skipped in silence either."""
    return _not_skipped((yield))


def _not_skipped(report: _Report) -> _Report:
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, and CI=true allows no skips: {report.longrepr}"
    return report
