"""The chapter on DaemonSets, paragraph by paragraph: each test continues where the previous one ended."""

from __future__ import annotations

import os
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.deploy.docker import BUILD_TIMEOUT
from tests.deploy.kubelet.cluster_waiting import wait_for
from tests.deploy.manifests import KUBERNETES, loaded, rendered
from tests.deploy.three_nodes import NEXT_VERSION

if TYPE_CHECKING:
    from tests.deploy.kubelet.cluster import Cluster
    from tests.deploy.kubelet.node import Node
    from tests.deploy.kubelet.pod import Pod

pytestmark = pytest.mark.timeout(BUILD_TIMEOUT)

NODES = ["node-1", "node-2", "node-3"]
ADM = 4
"""The group that reads logs on Debian."""
SHELL_CLIENT = "while true; do echo $(date) - Greetings from $HOSTNAME | nc $HOST_IP 6666; sleep 15; done"
"""The client in the book's chapter: plain shell, on alpine."""


def test_a_daemon_set_has_a_collector_on_each_node(cluster: Cluster) -> None:
    cluster.apply(loaded(KUBERNETES / "logDaemon.yaml"))
    cluster.rollout_status("ds/logd")
    assert [pod.node.name for pod in cluster.pods(name="logd")] == NODES


def test_the_directory_on_the_node_belongs_to_the_unprivileged_user(cluster: Cluster) -> None:
    for node in cluster.nodes:
        found = node.disk.path("/var/lib/nodelog").stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (65532, 65532, 0o755)


def test_each_of_seven_clients_is_in_the_log_of_its_node_and_in_no_other(cluster: Cluster) -> None:
    cluster.apply(loaded(KUBERNETES / "logDaemonClient.yaml"))
    cluster.rollout_status("deploy/client")
    assert len(cluster.pods(name="client")) == 7
    for node in cluster.nodes:
        expected = {pod.name for pod in cluster.pods(name="client", on=node)}
        wait_for_greeters(cluster, node, expected)
        assert greeters(cluster, node) == expected != set()


def test_a_shell_client_is_in_the_log_of_its_node_too(cluster: Cluster) -> None:
    cluster.apply(shell_clients())
    cluster.rollout_status("deploy/shell")
    for pod in cluster.pods(name="shell"):
        wait_for_greeters(cluster, pod.node, {pod.name})
        others = [node for node in cluster.nodes if node is not pod.node]
        assert not any(pod.name in greeters(cluster, node) for node in others)
    cluster.delete("deploy/shell")


def test_a_collector_that_is_replaced_finds_the_lines_of_its_node(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    old = cluster.pod(name="logd", on=node)
    before = old.exec("cat", "/var/node_log").stdout
    cluster.delete_pod(old)
    cluster.rollout_status("ds/logd")
    new = cluster.pod(name="logd", on=node)
    assert new.name != old.name
    assert new.exec("cat", "/var/node_log").stdout.startswith(before)
    assert old.runs[-1].exit_code == 0


def test_the_archive_of_a_node_holds_the_files_of_its_clients_and_its_own(cluster: Cluster) -> None:
    for node in cluster.nodes:
        own = node.disk.path("/var/log/daemon.log")
        own.write_text("of the node itself\n")
        own.chmod(0o640)
        os.chown(own, 0, ADM)
    cluster.apply(loaded(KUBERNETES / "logCompressorClient.yaml"))
    cluster.rollout_status("deploy/client2")
    clients = cluster.pods(app="client2")
    assert len(clients) == 7
    for pod in clients:
        wait_for(pod.node.disk.path(f"/var/log/{pod.name}.log").exists, f"{pod.name} has greeted")
    cluster.apply(loaded(KUBERNETES / "logCompressor.yaml"))
    cluster.rollout_status("ds/logcd")
    for node in cluster.nodes:
        names = {pod.name for pod in cluster.pods(app="client2", on=node)}
        expected = {f"var/log/{name}.log" for name in (*names, "daemon")}
        assert archived(cluster, node) == expected


def test_an_update_goes_node_by_node(cluster: Cluster) -> None:
    old = cluster.pods(name="logcd")
    cluster.set_image("ds/logcd", logcd=f"nodelog:{NEXT_VERSION}")
    cluster.rollout_status("ds/logcd")
    new = cluster.pods(name="logcd")
    assert [pod.node.name for pod in new] == NODES
    ends = sorted(pod.runs[-1].stopped_at or 0.0 for pod in old)
    assert len(ends) == 3
    for ready, end in zip(sorted(pod.ready_since for pod in new), ends[1:], strict=False):
        assert ready < end


def test_an_update_to_a_missing_image_stops_at_the_first_node_and_can_be_undone(
    cluster: Cluster,
) -> None:
    before = {pod.name for pod in cluster.pods(name="logcd")}
    cluster.set_image("ds/logcd", logcd="nodelog:none")
    wait_for(
        lambda: any("no image" in pod.reason for pod in cluster.pods(name="logcd")), "the update is stuck"
    )
    cluster.settle()
    left = [pod for pod in cluster.pods(name="logcd") if pod.name in before]
    assert len(left) == 2
    assert all(pod.is_ready for pod in left)
    cluster.rollout_undo("ds/logcd")
    cluster.rollout_status("ds/logcd")
    assert {pod.name for pod in left} < {pod.name for pod in cluster.pods(name="logcd")}


def test_on_delete_waits_for_a_pod_to_be_deleted(cluster: Cluster) -> None:
    found = loaded(KUBERNETES / "logCompressor.yaml")
    found["spec"]["updateStrategy"] = {"type": "OnDelete"}
    before = {pod.name for pod in cluster.pods(name="logcd")}
    cluster.apply(found)
    cluster.settle()
    assert {pod.name for pod in cluster.pods(name="logcd")} == before
    node = cluster.nodes[1]
    cluster.delete_pod(cluster.pod(name="logcd", on=node))
    wait_for(lambda: len(ready(cluster, "logcd")) == 3, "there are three ready pods again")
    after = {pod.name for pod in cluster.pods(name="logcd")}
    assert after - before == {cluster.pod(name="logcd", on=node).name}


def test_a_label_decides_which_nodes_run_a_compressor(cluster: Cluster) -> None:
    first, second, third = cluster.nodes
    first.labels["env"] = "prod"
    cluster.apply(loaded(KUBERNETES / "logCompressorProd.yaml"))
    cluster.rollout_status("ds/logcd")
    assert [pod.node for pod in cluster.pods(name="logcd")] == [first]
    assert list(third.disk.path("/var/log").glob("all-logs-*.tar.gz")) != []
    second.labels["env"] = "prod"
    cluster.settle()
    cluster.rollout_status("ds/logcd")
    assert [pod.node for pod in cluster.pods(name="logcd")] == [first, second]
    del first.labels["env"]
    cluster.settle()
    cluster.rollout_status("ds/logcd")
    assert [pod.node for pod in cluster.pods(name="logcd")] == [second]


def test_a_daemon_set_deleted_without_its_pods_leaves_them_to_the_next_one(cluster: Cluster) -> None:
    before = [pod.name for pod in cluster.pods(name="logd")]
    cluster.delete("ds/logd", cascade=False)
    cluster.settle()
    assert all(pod.is_ready for pod in cluster.pods(name="logd"))
    cluster.apply(loaded(KUBERNETES / "logDaemon.yaml"))
    cluster.rollout_status("ds/logd")
    assert [pod.name for pod in cluster.pods(name="logd")] == before


def test_a_deleted_daemon_set_leaves_the_lines_on_the_nodes(cluster: Cluster) -> None:
    pods = cluster.pods(name="logd")
    cluster.delete("deploy/client")
    cluster.delete("ds/logd")
    wait_for(
        lambda: not cluster.pods(name="logd") + cluster.pods(name="client"),
        "the pods are gone",
    )
    assert [pod.runs[-1].exit_code for pod in pods] == [0, 0, 0]
    for node in cluster.nodes:
        assert "Greetings" in node.disk.path("/var/lib/nodelog/node_log").read_text()


def test_one_run_archives_the_folders_of_all_nodes_on_a_shared_volume(cluster: Cluster) -> None:
    for name in ("deploy/client2", "ds/logcd"):
        cluster.delete(name)
    cluster.apply(*sorted(rendered(("shared-volume", "cronjob")), key=lambda one: one["kind"] != "Namespace"))
    cluster.rollout_status("deploy/client2", namespace="nodelog")
    cluster.rollout_status("ds/logd", namespace="nodelog")
    clients = cluster.pods(app="client2", namespace="nodelog")
    for pod in clients:
        wait_for(
            Path(cluster.claim_path("logdir"), pod.node.name, f"{pod.name}.log").exists,
            "the client has greeted",
        )
    (run,) = cluster.run_cron_jobs()
    wait_for(lambda: run.phase in {"Succeeded", "Failed"}, "the run has ended")
    assert run.phase == "Succeeded", run.runs[-1].stderr
    (archive,) = cluster.claim_path("logdir").glob("all-logs-*.tar.gz")
    with tarfile.open(archive) as tar:
        assert set(tar.getnames()) == {f"var/log/{pod.node.name}/{pod.name}.log" for pod in clients}


def greeters(cluster: Cluster, node: Node) -> set[str]:
    """Return the clients that greet in the log of a node."""
    text = cluster.pod(name="logd", on=node).exec("cat", "/var/node_log").stdout
    return set(re.findall(r" - Greetings from (\S+)$", text, re.MULTILINE))


def wait_for_greeters(cluster: Cluster, node: Node, names: set[str]) -> None:
    """Wait until these clients have greeted in the log of a node."""
    wait_for(lambda: greeters(cluster, node) >= names, f"{names} have greeted")


def archived(cluster: Cluster, node: Node) -> set[str]:
    """Return the names of the files in the archive of a node, listed as people do."""
    logcd = cluster.pod(name="logcd", on=node)
    return set(logcd.exec("sh", "-c", "tar -tf /var/log/all-logs-*.tar.gz").stdout.split())


def ready(cluster: Cluster, name: str) -> list[Pod]:
    return [pod for pod in cluster.pods(name=name) if pod.is_ready and not pod.is_ending]


def shell_clients() -> dict[str, Any]:
    """Return the Deployment of clients as in the book."""
    container = {
        "name": "shell",
        "image": "alpine",
        "args": ["sh", "-c", SHELL_CLIENT],
        "env": [{"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}],
    }
    pod = {"automountServiceAccountToken": False, "enableServiceLinks": False, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shell"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"name": "shell"}},
            "template": {
                "metadata": {"labels": {"name": "shell"}},
                "spec": pod | {"terminationGracePeriodSeconds": 0},
            },
        },
    }
