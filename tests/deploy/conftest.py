"""One Prometheus for all tests of this folder, and a node of its own for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.deploy import prometheus as prometheus_
from tests.deploy.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.deploy.prometheus import Prometheus


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Generator[Prometheus]:
    """Run a Prometheus with the shipped rules in a hurry."""
    with prometheus_.running(tmp_path_factory.mktemp("prometheus") / "server") as running:
        yield running


@pytest.fixture
def node(prometheus: Prometheus) -> Generator[Node]:
    """Have a node of one's own. Use it before `logd`, which it looks at."""
    with Node(prometheus) as found:
        yield found
