"""The restricted profile of the Pod Security Standards, and what of it each workload cannot keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.deploy.manifests import FILES, MIXES, Object, containers, loaded, pod, rendered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HARMLESS = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
ON_THE_NODE = {
    "logd": {"hostPath nodelog", "hostPort 6666", "owner runs as root", "owner adds CHOWN"},
    "client": set[str](),
    "logcd": {"hostPath logdir", "logcd runs as root", "logcd adds DAC_READ_SEARCH"},
    "client2": {"hostPath logdir", "client2 runs as root"},
}
AGENT = {"hostPath node", "hostPath logdir", "node-agent runs as root", "node-agent adds DAC_READ_SEARCH"}


def broken(spec: Object) -> set[str]:
    """Say what a pod does that the restricted profile does not allow."""
    return set(_of_the_pod(spec)) | {rule for container in containers(spec) for rule in _of(container, spec)}


def _of_the_pod(spec: Object) -> Iterator[str]:
    yield from (name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name))
    for volume in spec.get("volumes", []):
        (kind,) = volume.keys() - {"name"}
        if kind not in HARMLESS:
            yield f"{kind} {volume['name']}"


def _of(container: Object, spec: Object) -> Iterator[str]:
    """Rules that a container keeps itself, or its pod for it."""
    own, shared, name = (
        container.get("securityContext", {}),
        spec.get("securityContext", {}),
        container["name"],
    )
    both: dict[str, Any] = shared | own
    capabilities = own.get("capabilities", {})
    yield from (f"hostPort {port['hostPort']}" for port in container.get("ports", []) if "hostPort" in port)
    if own.get("privileged"):
        yield f"{name} is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name} may escalate"
    if not both.get("runAsNonRoot") or not both.get("runAsUser"):
        yield f"{name} runs as root"
    if both.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield f"{name} has no seccomp profile"
    if "ALL" not in capabilities.get("drop", []):
        yield f"{name} keeps capabilities"
    yield from (
        f"{name} adds {added}" for added in capabilities.get("add", []) if added != "NET_BIND_SERVICE"
    )


def expected(name: str, components: tuple[str, ...]) -> set[str]:
    exceptions = set(AGENT if name == "node-agent" else ON_THE_NODE[name])
    if "node-agent" in components:  # it asks them for their pages at the node's address
        exceptions |= {"hostPort 9166"} if name == "logd" else set()
        exceptions |= {"hostPort 9167"} if name == "logcd" and "cronjob" not in components else set()
    if "host-network" in components and name == "logd":
        exceptions.add("hostNetwork")
    if "shared-volume" in components:
        exceptions.discard("hostPath logdir")
    return exceptions


@pytest.mark.parametrize("components", MIXES, ids="+".join)
def test_a_workload_breaks_no_rule_but_those_it_must(components: tuple[str, ...]) -> None:
    seen = set()
    for found in rendered(components):
        if spec := pod(found):
            name = found["metadata"]["name"]
            assert broken(spec) == expected(name, components), name
            seen.add(name)
    assert seen == ON_THE_NODE.keys() | ({"node-agent"} & set(components))


@pytest.mark.parametrize("components", MIXES, ids="+".join)
def test_no_pod_has_what_it_does_not_use(components: tuple[str, ...]) -> None:
    for found in rendered(components):
        if spec := pod(found):
            assert spec["automountServiceAccountToken"] is False
            assert spec["enableServiceLinks"] is False
            assert spec["nodeSelector"]["kubernetes.io/os"] == "linux"
            for container in containers(spec):
                assert container["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_manifest_gives_a_reason_for_each_exception(path: Path) -> None:
    spec = pod(loaded(path))
    assert spec is not None
    subjects = {rule.partition(" ")[0] for rule in broken(spec)}  # uid and capabilities of one go together
    assert path.read_text().count("# Not restricted:") == len(subjects)


def test_a_rule_that_is_broken_is_noticed() -> None:
    careless = {"hostPID": True, "containers": [{"name": "it", "securityContext": {"privileged": True}}]}
    assert broken(careless) == {
        "hostPID",
        "it is privileged",
        "it may escalate",
        "it runs as root",
        "it has no seccomp profile",
        "it keeps capabilities",
    }
