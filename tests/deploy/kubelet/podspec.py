"""Reads the specification of a pod into values, as far as the stand-in for a kubelet implements it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.deploy.kubelet.fields import Fields, RefusedError
from tests.deploy.kubelet.probes import Probe, read_probe

if TYPE_CHECKING:
    from collections.abc import Mapping

MIN_CPU_SHARES = 2
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of a container."""

    name: str | None
    number: int
    host_port: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Where a container mounts a volume."""

    volume: str
    path: str
    sub_path: str
    """The folder in the volume; may contain $(VARIABLES)."""
    is_read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityContext:
    """The privileges of a container."""

    user: int | None
    group: int | None
    run_as_non_root: bool
    may_escalate: bool
    has_read_only_root: bool
    drops: tuple[str, ...]
    adds: tuple[str, ...]
    has_seccomp: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container of a pod."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[tuple[str, str | None, str | None], ...]
    """Name, value, and the pod field that supplies the value."""
    ports: tuple[Port, ...]
    liveness: Probe | None
    readiness: Probe | None
    security: SecurityContext
    mounts: tuple[Mount, ...]
    memory_limit: int | None
    """Bytes."""
    cpu_shares: int
    """The weight against other containers; without a request it is minimal."""
    cpu_limit: float | None
    """Number of CPUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume of a pod."""

    name: str
    kind: str
    source: str
    """The path, or the name of the claim or of the ConfigMap."""
    must_exist: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpec:
    """The specification of a pod."""

    init_containers: tuple[Container, ...]
    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...]
    node_selector: Mapping[str, str]
    grace: int
    """Seconds from SIGTERM to SIGKILL."""
    fs_group: int | None
    restarts_containers: bool


def read_pod(found: Mapping[str, Any], where: str) -> PodSpec:
    """Read a specification. Raises RefusedError."""
    with Fields(found, where) as spec:
        # There are no API tokens and no variables for services here.
        spec.expect("automountServiceAccountToken", False)
        spec.expect("enableServiceLinks", False)
        security = dict(spec.take("securityContext", {}))
        fs_group = security.pop("fsGroup", None)
        policy = spec.take("restartPolicy", "Always")
        if policy not in {"Always", "Never"}:
            raise RefusedError(f"{where}: restartPolicy {policy} is not implemented")
        return PodSpec(
            init_containers=tuple(_container(one, security) for one in spec.objects("initContainers")),
            containers=tuple(_container(one, security) for one in spec.objects("containers")),
            volumes=tuple(_volume(one) for one in spec.objects("volumes")),
            node_selector=spec.take("nodeSelector", {}),
            grace=spec.take("terminationGracePeriodSeconds", 30),
            fs_group=fs_group,
            restarts_containers=policy == "Always",
        )


def _container(found: Fields, shared: Mapping[str, Any]) -> Container:
    with found as fields:
        fields.expect("imagePullPolicy", "IfNotPresent", "Never", default="IfNotPresent")
        with fields.object("resources") as resources:
            with resources.object("limits") as limits:
                memory, cpu_limit = limits.take("memory"), limits.take("cpu")
            with resources.object("requests") as requests:
                requests.take("memory")  # for the scheduler
                cpu_request = requests.take("cpu")
        return Container(
            name=fields.require("name"),
            image=fields.require("image"),
            command=tuple(fields.take("command", ())),
            args=tuple(fields.take("args", ())),
            env=tuple(_variable(one) for one in fields.objects("env")),
            ports=tuple(_port(one) for one in fields.objects("ports")),
            liveness=read_probe(fields, "livenessProbe"),
            readiness=read_probe(fields, "readinessProbe"),
            security=_security(Fields({**shared, **fields.take("securityContext", {})}, fields.where)),
            mounts=tuple(_mount(one) for one in fields.objects("volumeMounts")),
            memory_limit=_bytes(memory) if memory else None,
            cpu_shares=max(MIN_CPU_SHARES, int(1024 * _cpus(cpu_request or cpu_limit or "0"))),
            cpu_limit=_cpus(cpu_limit) if cpu_limit else None,
        )


def _security(found: Fields) -> SecurityContext:
    with found as fields:
        with fields.object("capabilities") as capabilities:
            drops, adds = capabilities.take("drop", ()), capabilities.take("add", ())
        with fields.object("seccompProfile") as profile:
            seccomp = profile.take("type", "Unconfined")
        if seccomp not in {"RuntimeDefault", "Unconfined"}:
            raise RefusedError(f"{fields.where}: seccompProfile {seccomp} is not implemented")
        return SecurityContext(
            user=fields.take("runAsUser"),
            group=fields.take("runAsGroup"),
            run_as_non_root=fields.take("runAsNonRoot", False),
            may_escalate=fields.take("allowPrivilegeEscalation", True),
            has_read_only_root=fields.take("readOnlyRootFilesystem", False),
            drops=tuple(drops),
            adds=tuple(adds),
            has_seccomp=seccomp == "RuntimeDefault",
        )


def _variable(found: Fields) -> tuple[str, str | None, str | None]:
    with found as fields:
        field = None
        if "valueFrom" in fields:
            with fields.object("valueFrom") as source, source.object("fieldRef") as reference:
                reference.expect("apiVersion", "v1", default="v1")
                field = reference.require("fieldPath")
        return fields.require("name"), fields.take("value"), field


def _port(found: Fields) -> Port:
    with found as fields:
        fields.expect("protocol", "TCP", default="TCP")
        return Port(
            name=fields.take("name"),
            number=fields.require("containerPort"),
            host_port=fields.take("hostPort"),
        )


def _mount(found: Fields) -> Mount:
    with found as fields:
        return Mount(
            volume=fields.require("name"),
            path=fields.require("mountPath"),
            sub_path=fields.take("subPathExpr", ""),
            is_read_only=fields.take("readOnly", False),
        )


def _volume(found: Fields) -> Volume:
    with found as fields:
        name = fields.require("name")
        if "hostPath" in fields:
            with fields.object("hostPath") as host_path:
                kind = host_path.take("type", "Directory")
                if kind not in {"Directory", "DirectoryOrCreate"}:
                    raise RefusedError(f"{host_path.where}: type {kind} is not implemented")
                return Volume(
                    name=name,
                    kind="hostPath",
                    source=host_path.require("path"),
                    must_exist=kind == "Directory",
                )
        if "emptyDir" in fields:
            with fields.object("emptyDir") as empty:
                empty.take("sizeLimit")  # for evictions
                return Volume(name=name, kind="emptyDir", source="")
        if "configMap" in fields:
            with fields.object("configMap") as files:
                return Volume(name=name, kind="configMap", source=files.require("name"))
        with fields.object("persistentVolumeClaim") as claim:
            return Volume(name=name, kind="persistentVolumeClaim", source=claim.require("claimName"))


def _bytes(text: str) -> int:
    return int(text[:-2]) * UNITS[text[-2:]]


def _cpus(text: str) -> float:
    return int(text[:-1]) / 1000 if text.endswith("m") else float(text)
