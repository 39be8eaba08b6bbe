"""The stand-in for a kubelet: what it reads and refuses, how it calls Docker, what it replaces first."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.deploy.kubelet import docker_options, rollout
from tests.deploy.kubelet.disks import Disk, MissingError
from tests.deploy.kubelet.fields import RefusedError
from tests.deploy.kubelet.objects import read_object
from tests.deploy.kubelet.podspec import read_pod
from tests.deploy.kubelet.probes import ProbeState
from tests.deploy.kubelet.rollout import Actions, PodState
from tests.deploy.manifests import FILES, KUBERNETES, loaded, rendered

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.kubelet.podspec import PodSpec

POD = docker_options.PodIdentity(name="pod-x", namespace="default", node="node-1", host_ip="198.18.1.1")
REQUIRED_FIELDS = {"automountServiceAccountToken": False, "enableServiceLinks": False}


def spec(text: str) -> PodSpec:
    return read_pod({**REQUIRED_FIELDS, **yaml.safe_load(text)}, "spec")


def collector() -> PodSpec:
    template = read_object(loaded(KUBERNETES / "logDaemon.yaml"), "default").template
    assert template is not None
    return template.spec


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_field_of_a_manifest_is_read(path: Path) -> None:
    assert read_object(loaded(path), "default").template is not None


@pytest.mark.parametrize("components", [(), ("on-delete",), ("scrape",), ("shared-volume", "cronjob")])
def test_every_field_of_the_kustomize_output_is_read(components: tuple[str, ...]) -> None:
    for found in rendered(components):
        read_object(found, "default")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ((), "immutable"),
        (("spec",), "minReadySeconds"),
        (("spec", "template", "spec"), "hostPID"),
        (("spec", "template", "spec", "securityContext"), "supplementalGroups"),
        (("spec", "template", "spec", "containers", 0), "startupProbe"),
        (("spec", "template", "spec", "containers", 0, "readinessProbe"), "tcpSocket"),
        (("spec", "template", "spec", "containers", 0, "securityContext"), "privileged"),
        (("spec", "updateStrategy", "rollingUpdate"), "maxSurge"),
        (("spec", "template", "spec", "volumes", 0), "nfs"),
    ],
)
def test_an_unknown_field_is_refused(path: tuple[Any, ...], field: str) -> None:
    found = loaded(KUBERNETES / "logDaemon.yaml")
    inner: Any = found
    for step in path:
        inner = inner[step]
    inner[field] = {"x": 1}
    with pytest.raises(RefusedError, match=field):
        read_object(found, "default")


@pytest.mark.parametrize(
    "text",
    [
        "{containers: [{name: a, image: a, imagePullPolicy: Always}]}",
        "{containers: [], restartPolicy: OnFailure}",
        "{containers: [], volumes: [{name: a, hostPath: {path: /a, type: Socket}}]}",
        "{containers: [{name: a, image: a, ports: [{containerPort: 1, protocol: UDP}]}]}",
        "{containers: [{name: a, image: a, securityContext: {seccompProfile: {type: Localhost}}}]}",
    ],
)
def test_an_unknown_value_is_refused(text: str) -> None:
    with pytest.raises(RefusedError):
        spec(text)


def test_the_collector_runs_with_the_rights_of_its_manifest_and_no_more() -> None:
    (logd,) = collector().containers
    assert docker_options.container_options(logd, POD, collector(), {"nodelog": "/disk/nodelog"}) == [
        "--env=HOSTNAME=pod-x",
        "--volume=/disk/nodelog:/var/lib/nodelog",
        "--user=65532:65532",
        "--read-only",
        "--security-opt=no-new-privileges",
        "--cap-drop=ALL",
        "--memory=268435456",
        "--cpu-shares=51",
        "--entrypoint=logd",
    ]
    assert docker_options.container_arguments(logd, POD) == ["--grace=25s"]


def test_a_container_without_a_cpu_request_gets_the_minimal_share() -> None:
    found = spec("{containers: [{name: a, image: a}]}")
    assert "--cpu-shares=2" in docker_options.container_options(found.containers[0], POD, found, {})


def test_its_init_container_is_root_with_one_capability() -> None:
    (owner,) = collector().init_containers
    found = docker_options.container_options(owner, POD, collector(), {"nodelog": "/disk/nodelog"})
    assert {"--user=0:0", "--cap-drop=ALL", "--cap-add=CHOWN"} <= set(found)


def test_a_host_port_is_published_at_the_address_of_the_node_only() -> None:
    found = docker_options.sandbox_options(POD, collector())
    assert [option for option in found if "publish" in option] == ["--publish=198.18.1.1:6666:6666"]


def test_a_container_without_a_seccomp_profile_is_not_confined() -> None:
    found = spec("{containers: [{name: a, image: a}]}")
    assert "--security-opt=seccomp=unconfined" in docker_options.container_options(
        found.containers[0], POD, found, {}
    )


def test_a_container_that_must_not_be_root_is_not_started_as_root() -> None:
    found = spec("{containers: [{name: a, image: a, securityContext: {runAsNonRoot: true, runAsUser: 0}}]}")
    with pytest.raises(RefusedError, match="runAsNonRoot"):
        docker_options.container_options(found.containers[0], POD, found, {})


def test_variables_from_the_pod_expand_in_arguments_and_sub_paths() -> None:
    found = spec("""
        containers:
          - name: a
            image: a
            command: [a]
            args: ["$(NODE) $(NONE) $$(NODE)"]
            env:
              - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
              - {name: B, value: "b$(NODE)"}
            volumeMounts: [{name: v, mountPath: /v, subPathExpr: $(NODE), readOnly: true}]
    """)
    (container,) = found.containers
    assert docker_options.container_arguments(container, POD) == ["node-1 $(NONE) $(NODE)"]
    options = docker_options.container_options(container, POD, found, {"v": "/volumes/v"})
    assert {"--env=NODE=node-1", "--env=B=bnode-1", "--volume=/volumes/v/node-1:/v:ro"} <= set(options)


def test_an_unknown_field_of_the_pod_is_refused() -> None:
    with pytest.raises(RefusedError, match="serviceAccountName"):
        POD.field_value("spec.serviceAccountName")


@pytest.mark.skipif(os.geteuid() != 0, reason="creates directories owned by root, as a kubelet does")
def test_directories_are_created_as_a_kubelet_creates_them(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk", tmp_path / "claims", {"settings": {"a.conf": "x"}}.__getitem__)
    found = spec("""
        containers: []
        securityContext: {fsGroup: 65532}
        volumes:
          - {name: own, hostPath: {path: /var/lib/nodelog, type: DirectoryOrCreate}}
          - {name: empty, emptyDir: {}}
          - {name: files, configMap: {name: settings}}
    """)
    volumes = disk.volumes("pod-x", found)
    own, empty = os.stat(volumes["own"]), os.stat(volumes["empty"])  # noqa: PTH116 (names)
    assert (own.st_uid, own.st_gid, stat.S_IMODE(own.st_mode)) == (0, 0, 0o755)
    assert (empty.st_uid, empty.st_gid, stat.S_IMODE(empty.st_mode)) == (0, 65532, 0o2777)
    assert (tmp_path / volumes["files"] / "a.conf").read_text() == "x"


def test_a_directory_that_must_exist_is_not_created(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk", tmp_path / "claims", dict[str, dict[str, str]]().__getitem__)
    found = spec("{containers: [], volumes: [{name: a, hostPath: {path: /var/lib/a, type: Directory}}]}")
    with pytest.raises(MissingError, match="/var/lib/a"):
        disk.volumes("pod-x", found)


def state(
    name: str, node: str = "", *, current: bool = True, ready: bool = True, ending: bool = False
) -> PodState:
    return PodState(name=name, node=node or name, is_current=current, is_ready=ready, is_ending=ending)


def old(name: str, *, ready: bool = True, ending: bool = False) -> PodState:
    return state(name, current=False, ready=ready, ending=ending)


def test_a_daemon_set_has_one_pod_on_each_of_its_nodes_and_none_elsewhere() -> None:
    assert rollout.daemon_set(["a", "b"], [state("b"), state("c")], 1) == Actions(
        create=("a",), delete=("c",)
    )


def test_an_update_takes_at_most_max_unavailable_nodes_at_a_time() -> None:
    assert rollout.daemon_set("abc", [old("a"), old("b"), old("c")], 1).delete == ("a",)
    assert rollout.daemon_set("abc", [old("a"), old("b"), old("c")], 2).delete == ("a", "b")


@pytest.mark.parametrize("first", [old("a", ending=True), state("a", ready=False)])
def test_an_update_waits_for_the_new_pod_before_the_next_node(first: PodState) -> None:
    assert rollout.daemon_set("abc", [first, old("b"), old("c")], 1) == Actions()


def test_an_old_pod_that_is_not_ready_is_replaced_first() -> None:
    assert rollout.daemon_set("abc", [old("a"), old("b", ready=False), old("c")], 1).delete == ("b",)


def test_on_delete_replaces_no_pod_by_itself() -> None:
    assert rollout.daemon_set("ab", [old("a"), old("b", ready=False)], None) == Actions()


def test_a_deployment_scales_up_and_down_to_its_replicas() -> None:
    assert rollout.deployment(7, []).create_anywhere == 7
    assert rollout.deployment(1, [state("a"), state("b")]).delete == ("b",)


def test_the_update_of_a_deployment_keeps_three_quarters_ready_and_adds_a_quarter() -> None:
    pods = [old(name) for name in "abcdefg"]
    assert rollout.deployment(7, pods) == Actions(create_anywhere=2, delete=("a",))


def test_the_state_of_a_probe_changes_after_enough_results_in_a_row() -> None:
    (logd,) = collector().containers
    assert logd.liveness is not None
    probe, states = ProbeState(logd.liveness, initial=True), []
    for passed in [False, False, True, False, False, False, True]:
        probe.record(passed)
        states.append(probe.is_passing)
    assert states == [True, True, True, True, True, False, True]
