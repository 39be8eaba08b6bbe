"""Translates the containers of a pod into arguments of `docker run`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.deploy.kubelet.fields import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.deploy.kubelet.podspec import Container, PodSpec, SecurityContext


@dataclass(frozen=True, slots=True, kw_only=True)
class PodIdentity:
    """A pod and its location, as far as its containers can read them."""

    name: str
    namespace: str
    node: str
    host_ip: str
    pod_ip: str = ""

    def field_value(self, path: str) -> str:
        """Return the value of a fieldRef. Raises RefusedError."""
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


def sandbox_options(pod: PodIdentity, spec: PodSpec) -> list[str]:
    """Return the options of the container that holds the pod's network: its name and its host ports."""
    ports = [port for one in spec.containers for port in one.ports if port.host_port is not None]
    return [
        f"--hostname={pod.name}",
        "--read-only",
        "--cap-drop=ALL",
        *(f"--publish={pod.host_ip}:{port.host_port}:{port.number}" for port in ports),
    ]


def environment(container: Container, pod: PodIdentity) -> dict[str, str]:
    """Return the environment of a container."""
    found = {"HOSTNAME": pod.name}
    for name, value, field in container.env:
        found[name] = pod.field_value(field) if field else expand(value or "", found)
    return found


def container_options(
    container: Container, pod: PodIdentity, spec: PodSpec, volumes: Mapping[str, str]
) -> list[str]:
    """Return the options of a container; `volumes` maps names to locations. Raises RefusedError."""
    env = environment(container, pod)
    mounts = []
    for mount in container.mounts:
        sub_path = expand(mount.sub_path, env)
        source = f"{volumes[mount.volume]}/{sub_path}" if sub_path else volumes[mount.volume]
        mounts.append(f"--volume={source}:{mount.path}{':ro' if mount.is_read_only else ''}")
    return [
        *(f"--env={name}={value}" for name, value in env.items()),
        *mounts,
        *_security_options(container.security, container.name),
        *([f"--group-add={spec.fs_group}"] if spec.fs_group is not None else []),
        *([f"--memory={container.memory_limit}"] if container.memory_limit else []),
        f"--cpu-shares={container.cpu_shares}",
        *([f"--cpus={container.cpu_limit}"] if container.cpu_limit else []),
        *([f"--entrypoint={container.command[0]}"] if container.command else []),
    ]


def container_arguments(container: Container, pod: PodIdentity) -> list[str]:
    """Return the arguments that follow the image."""
    env = environment(container, pod)
    return [expand(word, env) for word in (*container.command[1:], *container.args)]


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace $(VARIABLES) by their values; unknown ones stay, and $$ becomes $."""
    return re.sub(
        r"\$(?:\$|\((\w+)\))",
        lambda found: "$" if found[0] == "$$" else env.get(found[1], found[0]),
        text,
    )


def _security_options(security: SecurityContext, name: str) -> Iterator[str]:
    if security.run_as_non_root and not security.user:
        raise RefusedError(f"container {name} has runAsNonRoot and will run as root")
    if security.user is not None:
        yield f"--user={security.user}" + (f":{security.group}" if security.group is not None else "")
    elif security.group is not None:
        raise RefusedError(f"container {name} has runAsGroup without runAsUser")
    if security.has_read_only_root:
        yield "--read-only"
    if not security.may_escalate:
        yield "--security-opt=no-new-privileges"
    if not security.has_seccomp:
        yield "--security-opt=seccomp=unconfined"
    yield from (f"--cap-drop={capability}" for capability in security.drops)
    yield from (f"--cap-add={capability}" for capability in security.adds)
