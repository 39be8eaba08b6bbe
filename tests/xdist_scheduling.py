"""How pytest-xdist distributes tests to processes (`pytest -n 2`): by file, and all of `tests/deploy` to one.

The tests in `tests/deploy` share expensive fixtures across files (the image, Prometheus), and need the Docker
engine for themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Generator

    from xdist.remote import Producer

TOGETHER = "tests/deploy/"


class _FileByFile(LoadScopeScheduling):
    """Starts with the group that has the most tests, which is `tests/deploy`."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER if nodeid.startswith(TOGETHER) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Distribute tests in this way, whatever `--dist` says."""
    return _FileByFile(config, log)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Escape lone surrogates in reports: a worker can send only UTF-8, and would crash."""
    return _printable((yield))


def _printable(data: Any) -> Any:  # noqa: ANN401 (any JSON value)
    match data:
        case str():
            return data.encode(errors="backslashreplace").decode()
        case dict():
            return {key: _printable(value) for key, value in data.items()}
        case list() | tuple():
            return type(data)(map(_printable, data))
        case _:
            return data
