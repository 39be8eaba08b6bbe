from __future__ import annotations

import json
from typing import TYPE_CHECKING

import kubernetes_validate
import pytest
import yaml
from tests.deploy.manifests import FILES, KUBERNETES, MIXES, Object, containers, loaded, pod, rendered

from nodelog import __version__
from nodelogd.collector.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = ("1.25", kubernetes_validate.latest_version())  # the oldest that the schemas know, and the newest
CHAPTER = {
    "logDaemon.yaml": ("DaemonSet", "logd", {"name": "logd"}),
    "logDaemonClient.yaml": ("Deployment", "client", {"name": "client"}),
    "logCompressor.yaml": ("DaemonSet", "logcd", {"name": "logcd"}),
    "logCompressorClient.yaml": ("Deployment", "client2", {"app": "client2"}),
    "logCompressorProd.yaml": ("DaemonSet", "logcd", {"name": "logcd"}),
}
GRACE = Settings().grace

files = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
mixes = pytest.mark.parametrize("components", MIXES, ids="+".join)


def test_every_manifest_of_the_chapter_is_there_and_no_other() -> None:
    assert {path.name for path in FILES} == CHAPTER.keys()


@files
def test_a_manifest_is_one_object_with_the_names_of_the_chapter(path: Path) -> None:
    kind, name, labels = CHAPTER[path.name]
    found = loaded(path)
    assert (found["kind"], found["metadata"]["name"]) == (kind, name)
    assert found["spec"]["selector"]["matchLabels"] == labels
    assert [container["name"] for container in found["spec"]["template"]["spec"]["containers"]] == [name]


@files
def test_a_manifest_goes_into_whatever_namespace_is_in_use(path: Path) -> None:
    assert "namespace" not in loaded(path)["metadata"]


@files
def test_whatever_is_selected_by_the_labels_of_the_chapter_can_also_be_by_those_recommended(
    path: Path,
) -> None:
    found, (_, name, chosen) = loaded(path), CHAPTER[path.name]
    labels = found["metadata"]["labels"]
    assert labels == found["spec"]["template"]["metadata"]["labels"]
    assert chosen.items() <= labels.items()
    assert labels["app.kubernetes.io/name"] == name
    assert labels["app.kubernetes.io/part-of"] == "nodelog"
    assert labels["app.kubernetes.io/version"] == __version__


def test_the_compressor_of_production_differs_in_its_nodes_alone() -> None:
    everywhere, prod = (
        loaded(KUBERNETES / "logCompressor.yaml"),
        loaded(KUBERNETES / "logCompressorProd.yaml"),
    )
    assert prod["spec"]["template"]["spec"]["nodeSelector"].pop("env") == "prod"
    assert prod == everywhere


@pytest.mark.parametrize("version", VERSIONS)
@files
def test_a_manifest_is_valid(path: Path, version: str) -> None:
    kubernetes_validate.validate(loaded(path), version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@mixes
def test_what_kustomize_makes_is_valid(components: tuple[str, ...], version: str) -> None:
    for found in rendered(components):
        kubernetes_validate.validate(found, version, strict=True)


@mixes
def test_everything_is_in_the_namespace(components: tuple[str, ...]) -> None:
    for found in rendered(components):
        if found["kind"] != "Namespace":
            assert found["metadata"]["namespace"] == "nodelog"


@mixes
def test_every_image_has_the_tag_of_this_version(components: tuple[str, ...]) -> None:
    for found in rendered(components):
        for container in containers(pod(found) or {"containers": []}):
            assert container["image"] == f"nodelog:{__version__}"
            assert container["imagePullPolicy"] == "IfNotPresent"


@files
def test_a_pod_has_longer_to_end_than_its_program_takes(path: Path) -> None:
    assert loaded(path)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > (
        GRACE if loaded(path)["kind"] == "DaemonSet" else 5
    )


@pytest.mark.parametrize("name", ["logDaemon.yaml", "logCompressor.yaml"])
def test_an_update_takes_one_node_at_a_time_and_never_two_pods_on_one(name: str) -> None:
    expected = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    assert loaded(KUBERNETES / name)["spec"]["updateStrategy"] == expected


@pytest.mark.parametrize(("name", "port"), [("logDaemon.yaml", 9166), ("logCompressor.yaml", 9167)])
def test_a_kubelet_asks_the_pages_where_they_are(name: str, port: int) -> None:
    (container,) = loaded(KUBERNETES / name)["spec"]["template"]["spec"]["containers"]
    assert {"name": "http", "containerPort": port} in container["ports"]
    probes = {probe: container[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")}
    assert probes == {
        "livenessProbe": {"path": "/healthz", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }


def test_no_container_has_its_cpu_limited() -> None:
    for path in FILES:
        for container in containers(loaded(path)["spec"]["template"]["spec"]):
            assert container["resources"].keys() == {"requests", "limits"}
            assert container["resources"]["limits"].keys() == {"memory"}


def test_with_on_delete_a_daemon_stays_until_its_pod_is_deleted() -> None:
    for found in _daemons(("on-delete",)):
        assert found["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_with_control_plane_the_daemons_run_there_too() -> None:
    for found in _daemons(("control-plane",)):
        (toleration,) = found["spec"]["template"]["spec"]["tolerations"]
        assert toleration["key"] == "node-role.kubernetes.io/control-plane"


def test_with_critical_the_daemons_are_evicted_last() -> None:
    for found in _daemons(("critical",)):
        assert found["spec"]["template"]["spec"]["priorityClassName"] == "system-node-critical"


def test_with_scrape_the_annotation_names_the_port_of_the_pages() -> None:
    for found in _daemons(("scrape",)):
        template = found["spec"]["template"]
        (http,) = [
            port["containerPort"]
            for port in template["spec"]["containers"][0]["ports"]
            if port["name"] == "http"
        ]
        assert template["metadata"]["annotations"]["prometheus.io/port"] == str(http)


def test_with_a_shared_volume_each_node_has_a_folder_of_its_own() -> None:
    found = {item["metadata"]["name"]: item for item in rendered(("shared-volume",))}
    assert found["logdir"]["spec"]["accessModes"] == ["ReadWriteMany"]
    for name in ("logcd", "client2"):
        spec = pod(found[name])
        assert spec is not None
        assert spec["volumes"] == [{"name": "logdir", "persistentVolumeClaim": {"claimName": "logdir"}}]
        (mount,) = spec["containers"][0]["volumeMounts"]
        assert mount["subPathExpr"] == "$(NODE_NAME)"
        assert {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}} in spec[
            "containers"
        ][0]["env"]


def test_the_cron_job_takes_the_place_of_the_daemons_and_never_runs_twice() -> None:
    found = rendered(("shared-volume", "cronjob"))
    assert {item["kind"] for item in found if item["metadata"]["name"] == "logcd"} == {"CronJob"}
    (job,) = [item for item in found if item["kind"] == "CronJob"]
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    spec = pod(job)
    assert spec is not None
    assert "--once" in spec["containers"][0]["args"]
    assert "subPathExpr" not in json.dumps(spec)


def test_a_policy_lets_lines_into_the_collector_and_nothing_out() -> None:
    found = {
        item["metadata"]["name"]: item["spec"]
        for item in rendered(("network-policy",))
        if item["kind"] == "NetworkPolicy"
    }
    assert found.keys() == {"logd", "logcd", "client", "client2"}
    for name, spec in found.items():
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert ("egress" in spec) == (name == "client")
    assert {"port": 6666} in found["logd"]["ingress"][0]["ports"]


def test_the_namespace_says_that_its_pods_are_beyond_the_baseline() -> None:
    labels = loaded(KUBERNETES / "namespace.yaml")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"


def test_every_component_says_what_it_is_for() -> None:
    for path in KUBERNETES.glob("components/*/kustomization.yaml"):
        assert path.read_text().startswith("# "), path
        assert yaml.safe_load(path.read_text())["kind"] == "Component", path


def _daemons(components: tuple[str, ...]) -> list[Object]:
    """Render, and give both daemon sets."""
    found = [item for item in rendered(components) if item["kind"] == "DaemonSet"]
    assert len(found) == 2
    return found
