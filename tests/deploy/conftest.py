"""One Prometheus for all tests of this folder, and a node for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.deploy import prometheus as prometheus_
from tests.deploy.monitored_node import Node

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.deploy.prometheus import Prometheus


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Generator[Prometheus]:
    """Run a Prometheus with the shipped rules, sped up."""
    with prometheus_.running(tmp_path_factory.mktemp("prometheus") / "server") as running:
        yield running


@pytest.fixture
def node(prometheus: Prometheus) -> Generator[Node]:
    """Yield a node of the test's own. Request it before `logd`, which it watches."""
    with Node(prometheus) as found:
        yield found
