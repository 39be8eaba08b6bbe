"""From the containers of a pod to the arguments of `docker run`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.deploy.kubelet.fields import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.deploy.kubelet.podspec import Container, PodSpec, Security


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A pod and where it is; what it can read of itself."""

    name: str
    namespace: str
    node: str
    host_ip: str
    pod_ip: str = ""

    def field(self, path: str) -> str:
        """Give the value of a fieldRef."""
        match path:
            case "metadata.name":
                return self.name
            case "metadata.namespace":
                return self.namespace
            case "spec.nodeName":
                return self.node
            case "status.hostIP" | "status.hostIPs":
                return self.host_ip
            case "status.podIP":
                return self.pod_ip
        raise RefusedError(f"fieldPath {path} is not implemented")


def sandbox(pod: Identity, spec: PodSpec) -> list[str]:
    """Give the options of the container that holds the pod's network: its name and its host ports."""
    ports = [port for one in spec.containers for port in one.ports if port.on_host is not None]
    return [
        f"--hostname={pod.name}",
        "--read-only",
        "--cap-drop=ALL",
        *(f"--publish={pod.host_ip}:{port.on_host}:{port.number}" for port in ports),
    ]


def variables(container: Container, pod: Identity) -> dict[str, str]:
    """Give the environment of a container."""
    found = {"HOSTNAME": pod.name}
    for name, value, field in container.env:
        found[name] = pod.field(field) if field else expanded(value or "", found)
    return found


def options(container: Container, pod: Identity, spec: PodSpec, volumes: Mapping[str, str]) -> list[str]:
    """Give the options of a container; `volumes` says where they are. Raises RefusedError."""
    env = variables(container, pod)
    mounts = []
    for mount in container.mounts:
        folder = expanded(mount.folder, env)
        source = f"{volumes[mount.volume]}/{folder}" if folder else volumes[mount.volume]
        mounts.append(f"--volume={source}:{mount.path}{':ro' if mount.is_read_only else ''}")
    return [
        *(f"--env={name}={value}" for name, value in env.items()),
        *mounts,
        *_rights(container.security, container.name),
        *([f"--group-add={spec.fs_group}"] if spec.fs_group is not None else []),
        *([f"--memory={container.memory}"] if container.memory else []),
        f"--cpu-shares={container.shares}",
        *([f"--cpus={container.processors}"] if container.processors else []),
        *([f"--entrypoint={container.command[0]}"] if container.command else []),
    ]


def arguments(container: Container, pod: Identity) -> list[str]:
    """Give what follows the image."""
    env = variables(container, pod)
    return [expanded(word, env) for word in (*container.command[1:], *container.args)]


def expanded(text: str, env: Mapping[str, str]) -> str:
    """Put the values of $(VARIABLES) in; what is unknown stays as it is, and $$ is a $."""
    return re.sub(
        r"\$(?:\$|\((\w+)\))",
        lambda found: "$" if found[0] == "$$" else env.get(found[1], found[0]),
        text,
    )


def _rights(security: Security, name: str) -> Iterator[str]:
    if security.is_never_root and not security.user:
        raise RefusedError(f"container {name} has runAsNonRoot and will run as root")
    if security.user is not None:
        yield f"--user={security.user}" + (f":{security.group}" if security.group is not None else "")
    elif security.group is not None:
        raise RefusedError(f"container {name} has runAsGroup without runAsUser")
    if security.has_fixed_root:
        yield "--read-only"
    if not security.may_escalate:
        yield "--security-opt=no-new-privileges"
    if not security.has_seccomp:
        yield "--security-opt=seccomp=unconfined"
    yield from (f"--cap-drop={power}" for power in security.drops)
    yield from (f"--cap-add={power}" for power in security.adds)
