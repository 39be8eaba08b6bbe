"""Components of the kustomization: what each changes, and that none reverts what another one changed."""

from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.deploy.manifests import COMPONENTS, FIRST, KUBERNETES, MIXES, Object, kustomize, mix, pod, rendered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Fields = dict[str, Any]
"""Values by their paths, `DaemonSet/logd/spec/...`."""
IDENTITY = ("containerPort", "mountPath", "name", "key")
"""The keys by which kustomize identifies an item of a list."""
AGENT_AND_VOLUME = mix("node-agent", "shared-volume")
AGENT_AND_CRON_JOB = mix("node-agent", "cronjob")


def flatten(objects: Iterable[Object]) -> Fields:
    """Return all fields of the objects by path."""
    return {
        field: value
        for found in objects
        for field, value in _walk(f"{found['kind']}/{found['metadata']['name']}", found)
    }


def _walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 (any YAML value)
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        names = (next((item[key] for key in IDENTITY if key in item), n) for n, item in enumerate(value))
        value = dict(zip(names, value, strict=True))
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _walk(f"{path}/{key}", item)
    else:
        yield path, value


def changes(before: Fields, after: Fields) -> Fields:
    """Return the changed fields of objects that existed before; None: removed."""
    existing = objects(before)
    return {
        field: after.get(field)
        for field in before.keys() | after.keys()
        if before.get(field) != after.get(field) and object_of(field) in existing
    }


def reverted(wanted: Fields, found: Fields) -> set[str]:
    """Return which changes are missing in objects that still exist."""
    existing = objects(found)
    return {
        field for field, value in wanted.items() if found.get(field) != value and object_of(field) in existing
    }


def objects(fields: Iterable[str]) -> set[str]:
    return {object_of(field) for field in fields}


def object_of(field: str) -> str:
    return "/".join(field.split("/")[:2])


@pytest.mark.parametrize("pair", [*combinations(COMPONENTS, 2)], ids="+".join)
def test_no_component_reverts_what_another_one_changed(pair: tuple[str, str]) -> None:
    base, both = flatten(rendered(())), flatten(rendered(mix(*pair)))
    for name in pair:
        assert not reverted(changes(base, flatten(rendered(mix(name)))), both), name


def test_a_reverted_change_is_noticed() -> None:
    base, one, other = ({"Pod/a/x": n, "Pod/a/y": 0, "Pod/b/z": n} for n in (0, 1, 2))
    assert changes(base, one) == {"Pod/a/x": 1, "Pod/b/z": 1}
    assert reverted(changes(base, one), one) == set()
    assert reverted(changes(base, one), other) == {"Pod/a/x", "Pod/b/z"}
    assert reverted(changes(base, one), {"Pod/a/x": 2}) == {"Pod/a/x"}  # the other pod was removed


def test_the_base_components_come_first_and_the_others_in_any_order() -> None:
    names = mix(*COMPONENTS)
    first, others = names[: len(FIRST)], names[len(FIRST) :]
    assert first == FIRST
    assert flatten(rendered((*first, *reversed(others)))) == flatten(rendered(names))


@pytest.mark.parametrize("components", [("cronjob",), ("cronjob", "shared-volume")], ids="+".join)
def test_a_cron_job_before_its_volume_is_refused(components: tuple[str, ...]) -> None:
    run = kustomize(*components)
    assert run.returncode == 1
    assert "PersistentVolumeClaim.v1.[noGrp]/logdir" in run.stderr


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
        claim = {"claimName": "logdir"}
        assert [volume["persistentVolumeClaim"] for volume in spec["volumes"]] == [claim] * len(
            spec["volumes"]
        )
        folders = [mount["subPathExpr"] for mount in spec["containers"][0]["volumeMounts"]]
        assert folders == ["$(NODE_NAME)", *(["nodelog-archive/$(NODE_NAME)"] if name == "logcd" else [])]
        assert {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}} in spec[
            "containers"
        ][0]["env"]


def test_with_a_shared_volume_the_agent_checks_the_archive_of_its_node() -> None:
    found = {item["metadata"]["name"]: item for item in rendered(AGENT_AND_VOLUME)}
    assert archive_mount(found["node-agent"]) == {
        **archive_mount(found["logcd"]),
        "name": "archive",
        "readOnly": True,
    }
    assert log_mount(found["node-agent"]) == log_mount(found["logcd"]) | {"readOnly": True}
    assert log_mount(found["logcd"])["subPathExpr"] == "$(NODE_NAME)"


def test_with_a_cron_job_the_agent_checks_the_single_archive_and_expects_no_compressor() -> None:
    found = {item["metadata"]["name"]: item for item in rendered(AGENT_AND_CRON_JOB)}
    assert log_mount(found["node-agent"]) == log_mount(found["logcd"]) | {"readOnly": True}
    assert "subPathExpr" not in log_mount(found["logcd"])
    spec = pod(found["node-agent"])
    assert spec is not None
    options = spec["containers"][0]["args"]
    assert [option for option in options if option.startswith("--daemon")] == ["--daemon=logd=9166"]


ARCHIVE = "/var/lib/nodelog-archive"


@pytest.mark.parametrize("components", MIXES, ids="+".join)
def test_no_pod_that_writes_logs_reaches_the_archives(components: tuple[str, ...]) -> None:
    pods = {found["metadata"]["name"]: spec for found in rendered(components) if (spec := pod(found))}
    options = pods["logcd"]["containers"][0]["args"]
    out = "/var/log" if "cronjob" in components else ARCHIVE  # of a claim of which others mount folders alone
    assert ("cronjob" in components) != (f"--out={ARCHIVE}" in options)
    (archives,) = (place for path, place in _reachable(pods["logcd"]) if path == out)
    readers = {"logcd", "node-agent"}
    for name in pods.keys() - readers:
        assert archives not in {place for _, place in _reachable(pods[name])}, name
    if "node-agent" in pods:
        option = f"--archives={ARCHIVE}/all-logs-*.tar.gz"
        args = pods["node-agent"]["containers"][0]["args"]
        assert ("cronjob" in components) != (option in args)
        assert archives in {place for _, place in _reachable(pods["node-agent"])}


def _reachable(spec: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 (JSON)
    """Yield where each volume is mounted, and what it is on the node or the claim."""
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    for container in spec["containers"]:
        for mount in container.get("volumeMounts", []):
            volume = volumes[mount["name"]]
            claim = volume.get("persistentVolumeClaim", {}).get("claimName", "")
            path = volume.get("hostPath", {}).get("path") or claim
            below = mount.get("subPath") or mount.get("subPathExpr") or ""
            yield mount["mountPath"], f"{path}/{below}"


def archive_mount(found: Object) -> dict[str, Any]:
    """Return the mount and the volume of the archives in the container of an object."""
    return log_mount(found, ARCHIVE)


def log_mount(found: Object, path: str = "/var/log") -> dict[str, Any]:
    """Return the mount and the volume of `path` in the container of an object."""
    spec = pod(found)
    assert spec is not None
    (container,) = spec["containers"]
    (mount,) = (mount for mount in container["volumeMounts"] if mount["mountPath"] == path)
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == mount["name"])
    assert ("subPathExpr" in mount) <= (
        "NODE_NAME" in {variable["name"] for variable in container.get("env", [])}
    )
    return {**mount, **volume}


def test_the_cron_job_replaces_the_daemons_and_never_runs_twice_at_once() -> None:
    found = rendered(mix("cronjob"))
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
    assert found.keys() == {"logd", "logcd", "client", "client2", "node-agent"}
    for name, spec in found.items():
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert ("egress" in spec) == (name in {"client", "node-agent"})
    assert {"port": 6666} in found["logd"]["ingress"][0]["ports"]


def test_every_component_begins_with_a_comment_on_its_purpose() -> None:
    for path in KUBERNETES.glob("components/*/kustomization.yaml"):
        assert path.read_text().startswith("# "), path
        assert yaml.safe_load(path.read_text())["kind"] == "Component", path


def _daemons(components: tuple[str, ...]) -> list[Object]:
    """Render the components and return both DaemonSets."""
    found = [item for item in rendered(components) if item["kind"] == "DaemonSet"]
    assert len(found) == 2
    return found
