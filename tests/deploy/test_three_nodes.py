"""The chapter on DaemonSets, paragraph by paragraph, on three nodes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.deploy.docker import BUILD
from tests.deploy.manifests import KUBERNETES, loaded
from tests.running import wait_for

if TYPE_CHECKING:
    from tests.deploy.kubelet.cluster import Cluster

pytestmark = pytest.mark.timeout(BUILD)


def test_three_nodes_have_three_collectors(cluster: Cluster) -> None:
    cluster.apply(loaded(KUBERNETES / "logDaemon.yaml"))
    cluster.rollout_status("ds/logd")
    assert [pod.node.name for pod in cluster.pods(name="logd")] == ["node-1", "node-2", "node-3"]


def test_each_of_seven_clients_is_in_the_log_of_its_node_and_in_no_other(cluster: Cluster) -> None:
    cluster.apply(loaded(KUBERNETES / "logDaemonClient.yaml"))
    cluster.rollout_status("deploy/client")
    for node in cluster.nodes:
        mine = {pod.name for pod in cluster.pods(name="client", on=node)}
        logd = cluster.pod(name="logd", on=node)
        wait_for(lambda: greeters(logd.exec("cat", "/var/node_log").stdout) >= mine, f"{mine} have greeted")
        assert greeters(logd.exec("cat", "/var/node_log").stdout) == mine


def greeters(text: str) -> set[str]:
    """Return who greets."""
    return set(re.findall(r" - Greetings from (\S+)$", text, re.MULTILINE))
