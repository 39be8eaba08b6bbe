"""How tests are shared out to several processes (`pytest -n 2`): by file, and all of `tests/deploy` to one.

There fixtures are made once for many files (the image, Prometheus), and have the Docker engine to themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
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
