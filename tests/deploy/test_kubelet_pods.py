"""Failures in pods of the stand-in for a kubelet, on a real Docker engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.deploy.docker import BUILD_TIMEOUT
from tests.deploy.kubelet.cluster_waiting import wait_for

if TYPE_CHECKING:
    from tests.deploy.kubelet.cluster import Cluster

pytestmark = pytest.mark.timeout(BUILD_TIMEOUT)

HEALTH_CHECK = {
    "exec": {"command": ["test", "!", "-e", "/state/sick"]},
    "failureThreshold": 2,
    "timeoutSeconds": 10,
}


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


def test_a_container_that_ends_is_restarted_with_its_volume_and_its_address(cluster: Cluster) -> None:
    cluster.apply(
        pod("ends", "echo run >>/state/runs; [ $(wc -l </state/runs) -gt 1 ] && exec sleep 1000; exit 3")
    )
    (found,) = cluster.pods(name="ends")
    wait_for(lambda: found.restarts == 1 and found.is_ready, "it was restarted")
    assert found.runs[0].exit_code == 3
    assert found.exec("hostname").stdout == "ends\n"
    cluster.delete_pod(found)


def test_a_container_that_fails_its_liveness_probe_is_restarted(cluster: Cluster) -> None:
    cluster.apply(pod("sick", "rm -f /state/sick; exec sleep 1000", livenessProbe=HEALTH_CHECK))
    (found,) = cluster.pods(name="sick")
    wait_for(lambda: found.is_ready, "it runs")
    found.exec("touch", "/state/sick")
    wait_for(lambda: found.restarts == 1 and found.is_ready, "it was restarted")
    cluster.delete_pod(found)


def test_a_pod_that_is_not_ready_keeps_running(cluster: Cluster) -> None:
    cluster.apply(pod("shy", "touch /state/sick; exec sleep 1000", readinessProbe=HEALTH_CHECK))
    (found,) = cluster.pods(name="shy")
    wait_for(lambda: found.phase == "Running", "it runs")
    assert not found.is_ready
    found.exec("rm", "/state/sick")
    wait_for(lambda: found.is_ready, "it is ready")
    assert found.restarts == 0
    cluster.delete_pod(found)


def test_a_node_can_go_down_before_its_pod_has_started(cluster: Cluster) -> None:
    cluster.apply(pod("early", "exec sleep 1000", image="nowhere"))
    (found,) = cluster.pods(name="early")
    wait_for(lambda: "no image" in found.reason, "it waits")
    found.node.power_off()
    assert found.phase == "Unknown"
    cluster.images["nowhere"] = cluster.images["alpine"]
    found.node.power_on()
    wait_for(lambda: found.is_ready, "it runs")
    cluster.delete_pod(found)


def test_an_object_in_a_missing_namespace_is_refused(cluster: Cluster) -> None:
    with pytest.raises(LookupError, match="nowhere"):
        cluster.apply(pod("lost", "true"), namespace="nowhere")


def test_only_the_files_of_a_deleted_pod_are_left(cluster: Cluster) -> None:
    cluster.apply(pod("gone", "exec sleep 1000"))
    (found,) = cluster.pods(name="gone")
    wait_for(lambda: found.is_ready, "it runs")
    cluster.delete_pod(found)
    assert found.runs[-1].exit_code == 137
    assert not cluster.pods(name="gone")
