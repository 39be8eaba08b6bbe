"""Pods of the stand-in for a kubelet on a real engine: what it does when things go wrong in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.deploy.docker import BUILD
from tests.deploy.kubelet.waiting import wait_for

if TYPE_CHECKING:
    from tests.deploy.kubelet.cluster import Cluster

pytestmark = pytest.mark.timeout(BUILD)

WELL = {"exec": {"command": ["test", "!", "-e", "/state/sick"]}, "failureThreshold": 2, "timeoutSeconds": 10}


def pod(name: str, script: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 (fields of a container)
    container = {
        "name": "main",
        "image": "alpine",
        "command": ["sh", "-c", script],
        "volumeMounts": [{"name": "state", "mountPath": "/state"}],
        **more,
    }
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "state", "emptyDir": {}}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"name": name}},
        "spec": spec,
    }


def test_a_container_that_ends_is_started_again_with_its_directory_and_its_address(cluster: Cluster) -> None:
    cluster.apply(
        pod("ends", "echo life >>/state/lives; [ $(wc -l </state/lives) -gt 1 ] && exec sleep 1000; exit 3")
    )
    (found,) = cluster.pods(name="ends")
    wait_for(lambda: found.restarts == 1 and found.is_ready, "it lives again")
    assert found.lives[0].code == 3
    assert found.exec("hostname").stdout == "ends\n"
    cluster.delete_pod(found)


def test_a_container_that_is_not_well_is_ended_and_started_again(cluster: Cluster) -> None:
    cluster.apply(pod("sick", "rm -f /state/sick; exec sleep 1000", livenessProbe=WELL))
    (found,) = cluster.pods(name="sick")
    wait_for(lambda: found.is_ready, "it runs")
    found.exec("touch", "/state/sick")
    wait_for(lambda: found.restarts == 1 and found.is_ready, "it lives again")
    cluster.delete_pod(found)


def test_a_pod_that_is_not_ready_goes_on_running(cluster: Cluster) -> None:
    cluster.apply(pod("shy", "touch /state/sick; exec sleep 1000", readinessProbe=WELL))
    (found,) = cluster.pods(name="shy")
    wait_for(lambda: found.phase == "Running", "it runs")
    assert not found.is_ready
    found.exec("rm", "/state/sick")
    wait_for(lambda: found.is_ready, "it is ready")
    assert found.restarts == 0
    cluster.delete_pod(found)


def test_a_node_goes_down_with_a_pod_that_has_not_started_yet(cluster: Cluster) -> None:
    cluster.apply(pod("early", "exec sleep 1000", image="nowhere"))
    (found,) = cluster.pods(name="early")
    wait_for(lambda: "no image" in found.reason, "it waits")
    found.node.die()
    assert found.phase == "Unknown"
    cluster.images["nowhere"] = cluster.images["alpine"]
    found.node.come_back()
    wait_for(lambda: found.is_ready, "it runs")
    cluster.delete_pod(found)


def test_an_object_of_a_namespace_that_is_not_there_is_not_taken(cluster: Cluster) -> None:
    with pytest.raises(LookupError, match="nowhere"):
        cluster.apply(pod("lost", "true"), namespace="nowhere")


def test_nothing_is_left_of_a_pod_but_its_files(cluster: Cluster) -> None:
    cluster.apply(pod("gone", "exec sleep 1000"))
    (found,) = cluster.pods(name="gone")
    wait_for(lambda: found.is_ready, "it runs")
    cluster.delete_pod(found)
    assert found.lives[-1].code == 137
    assert not cluster.pods(name="gone")
