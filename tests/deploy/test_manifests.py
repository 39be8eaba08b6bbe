from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

import kubernetes_validate
import pytest
from tests.deploy.manifests import FILES, KUBERNETES, MIXES, containers, loaded, pod, rendered

from nodelog import __version__
from nodelogd.collector.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = ("1.25", kubernetes_validate.latest_version())  # the oldest and the newest that the schemas cover
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


def test_the_manifests_are_those_of_the_chapter() -> None:
    assert {path.name for path in FILES} == CHAPTER.keys()


@files
def test_a_manifest_is_one_object_with_the_names_of_the_chapter(path: Path) -> None:
    kind, name, labels = CHAPTER[path.name]
    found = loaded(path)
    assert (found["kind"], found["metadata"]["name"]) == (kind, name)
    assert found["spec"]["selector"]["matchLabels"] == labels
    assert [container["name"] for container in found["spec"]["template"]["spec"]["containers"]] == [name]


@files
def test_a_manifest_names_no_namespace(path: Path) -> None:
    assert "namespace" not in loaded(path)["metadata"]


@files
def test_a_manifest_has_the_labels_of_the_chapter_and_the_recommended_ones(
    path: Path,
) -> None:
    found, (_, name, selector_labels) = loaded(path), CHAPTER[path.name]
    labels = found["metadata"]["labels"]
    assert labels == found["spec"]["template"]["metadata"]["labels"]
    assert selector_labels.items() <= labels.items()
    assert labels["app.kubernetes.io/name"] == name
    assert labels["app.kubernetes.io/part-of"] == "nodelog"
    assert labels["app.kubernetes.io/version"] == __version__


def test_the_production_compressor_differs_only_in_its_nodes() -> None:
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


@cache
def validate(found: str, version: str) -> None:
    """Validate an object by its schema; cached, since most objects are the same in many mixes."""
    kubernetes_validate.validate(json.loads(found), version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@mixes
def test_the_kustomize_output_is_valid(components: tuple[str, ...], version: str) -> None:
    for found in rendered(components):
        validate(json.dumps(found), version)


@mixes
def test_every_object_is_in_the_namespace(components: tuple[str, ...]) -> None:
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
def test_a_pod_has_more_time_to_stop_than_its_program_takes(path: Path) -> None:
    assert loaded(path)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > (
        GRACE if loaded(path)["kind"] == "DaemonSet" else 5
    )


@pytest.mark.parametrize("name", ["logDaemon.yaml", "logCompressor.yaml"])
def test_an_update_takes_one_node_at_a_time_and_adds_no_surge_pod(name: str) -> None:
    expected = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    assert loaded(KUBERNETES / name)["spec"]["updateStrategy"] == expected


@pytest.mark.parametrize(("name", "port"), [("logDaemon.yaml", 9166), ("logCompressor.yaml", 9167)])
def test_the_probes_use_the_ports_of_the_pages(name: str, port: int) -> None:
    (container,) = loaded(KUBERNETES / name)["spec"]["template"]["spec"]["containers"]
    assert {"name": "http", "containerPort": port} in container["ports"]
    probes = {probe: container[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")}
    assert probes == {
        "livenessProbe": {"path": "/healthz", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }


def test_no_container_has_a_cpu_limit() -> None:
    for path in FILES:
        for container in containers(loaded(path)["spec"]["template"]["spec"]):
            assert container["resources"].keys() == {"requests", "limits"}
            assert container["resources"]["limits"].keys() == {"memory"}


def test_the_namespace_allows_privileged_pods() -> None:
    labels = loaded(KUBERNETES / "namespace.yaml")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"
