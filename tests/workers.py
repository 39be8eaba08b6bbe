"""How tests are shared out to several processes (`pytest -n 2`): by file, and all of `tests/deploy` to one.

There fixtures are made once for many files (the image, Prometheus), and have the Docker engine to themselves.
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
    """The most tests first, which is `tests/deploy`."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER if nodeid.startswith(TOGETHER) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Share them out so, whatever `--dist` says."""
    return _FileByFile(config, log)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Let a test fail over bytes that are no text: its process sends UTF-8 alone, and would end instead."""
    return _printable((yield))


def _printable(data: Any) -> Any:  # noqa: ANN401 (what JSON has)
    match data:
        case str():
            return data.encode(errors="backslashreplace").decode()
        case dict():
            return {key: _printable(value) for key, value in data.items()}
        case list() | tuple():
            return type(data)(map(_printable, data))
        case _:
            return data
