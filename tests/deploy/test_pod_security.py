"""The restricted profile of the Pod Security Standards, and the exceptions that each workload needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.deploy.manifests import FILES, MIXES, Object, containers, loaded, pod, rendered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
EXCEPTIONS = {
    "logd": {"hostPath nodelog", "hostPort 6666", "owner runs as root", "owner adds CHOWN"},
    "client": set[str](),
    "logcd": {"hostPath logdir", "hostPath archive", "logcd runs as root", "logcd adds DAC_READ_SEARCH"},
    "client2": {"hostPath logdir", "client2 runs as root"},
}
AGENT_EXCEPTIONS = {
    "hostPath node",
    "hostPath logdir",
    "hostPath archive",
    "node-agent runs as root",
    "node-agent adds DAC_READ_SEARCH",
}


def violations(spec: Object) -> set[str]:
    """Return what a pod does that the restricted profile does not allow."""
    return set(_pod_violations(spec)) | {
        rule for container in containers(spec) for rule in _container_violations(container, spec)
    }


def _pod_violations(spec: Object) -> Iterator[str]:
    yield from (name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name))
    for volume in spec.get("volumes", []):
        (kind,) = volume.keys() - {"name"}
        if kind not in ALLOWED_VOLUMES:
            yield f"{kind} {volume['name']}"


def _container_violations(container: Object, spec: Object) -> Iterator[str]:
    """Yield the violations of a container; its pod's security context counts too."""
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
    exceptions = set(AGENT_EXCEPTIONS if name == "node-agent" else EXCEPTIONS[name])
    if "node-agent" in components:  # it requests their pages at the node's address
        exceptions |= {"hostPort 9166"} if name == "logd" else set()
        exceptions |= {"hostPort 9167"} if name == "logcd" and "cronjob" not in components else set()
    if "host-network" in components and name == "logd":
        exceptions.add("hostNetwork")
    if "shared-volume" in components:
        exceptions -= {"hostPath logdir", "hostPath archive"}
    return exceptions


@pytest.mark.parametrize("components", MIXES, ids="+".join)
def test_a_workload_has_only_the_exceptions_it_needs(components: tuple[str, ...]) -> None:
    seen = set()
    for found in rendered(components):
        if spec := pod(found):
            name = found["metadata"]["name"]
            assert violations(spec) == expected(name, components), name
            seen.add(name)
    assert seen == EXCEPTIONS.keys() | ({"node-agent"} & set(components))


@pytest.mark.parametrize("components", MIXES, ids="+".join)
def test_no_pod_has_tokens_service_links_or_a_writable_root(components: tuple[str, ...]) -> None:
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
    subjects = {
        rule.partition(" ")[0] for rule in violations(spec)
    }  # the uid and the capabilities of a container count as one
    assert path.read_text().count("# Not restricted:") == len(subjects)


def test_a_violation_is_noticed() -> None:
    insecure = {"hostPID": True, "containers": [{"name": "it", "securityContext": {"privileged": True}}]}
    assert violations(insecure) == {
        "hostPID",
        "it is privileged",
        "it may escalate",
        "it runs as root",
        "it has no seccomp profile",
        "it keeps capabilities",
    }
