"""Rules for every test: both event loops, no hypothesis deadline, and no skipped tests in CI."""

import asyncio
import os
import signal
from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

import hypothesis
import pytest
import uvloop

# The fixtures logd, logcd, faults, small_disk, freezable, image, start and cluster. They are registered here,
# before tests.soak imports their modules.
pytest_plugins = [
    "tests.processes.logd",
    "tests.processes.logcd",
    "tests.faults.libfiu",
    "tests.faults.mounts",
    "tests.deploy.docker",
    "tests.deploy.three_nodes",
    "tests.xdist_scheduling",
]

# Tests start hundreds of processes: the first one compiles the modules for all.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell that runs the tests in the background has them ignore these, and so would each process they start.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)

# Examples may take as long as they need: a busy machine is not a bug.
hypothesis.settings.register_profile("nodelog", deadline=None, print_blob=True)
hypothesis.settings.load_profile("nodelog")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every async test twice: on asyncio's own loop and on uvloop, which the daemons use."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped test in CI."""
    return _not_skipped((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a skipped test file in CI."""
    return _not_skipped((yield))


def _not_skipped(report: _Report) -> _Report:
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, and CI=true allows no skips: {report.longrepr}"
    return report
