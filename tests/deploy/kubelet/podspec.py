"""The specification of a pod, read into values: what of it the stand-in for a kubelet does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.deploy.kubelet.fields import Fields, RefusedError
from tests.deploy.kubelet.probes import Probe, read_probe

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_SHARES = 2
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of a container."""

    name: str | None
    number: int
    on_host: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Where a container has a volume."""

    volume: str
    path: str
    folder: str
    """Of the volume; with $(VARIABLES)."""
    is_read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """What a container may."""

    user: int | None
    group: int | None
    is_never_root: bool
    may_escalate: bool
    has_fixed_root: bool
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
    """Name, value, and the field of the pod that is the value."""
    ports: tuple[Port, ...]
    liveness: Probe | None
    readiness: Probe | None
    security: Security
    mounts: tuple[Mount, ...]
    memory: int | None
    """Bytes at the most."""
    shares: int
    """Of the processor, against other containers; who asks for nothing has next to nothing."""
    processors: float | None
    """At the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume of a pod."""

    name: str
    kind: str
    source: str
    """The path, or the name of the claim or the ConfigMap."""
    must_exist: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpec:
    """A pod."""

    before: tuple[Container, ...]
    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...]
    node_selector: Mapping[str, str]
    grace: int
    """Seconds from SIGTERM to SIGKILL."""
    fs_group: int | None
    restarts: bool


def read_pod(found: Mapping[str, Any], where: str) -> PodSpec:
    """Read a specification. Raises RefusedError."""
    with Fields(found, where) as spec:
        # A token of the API and variables for services are what there is none of here.
        spec.only("automountServiceAccountToken", False)
        spec.only("enableServiceLinks", False)
        security = dict(spec.take("securityContext", {}))
        fs_group = security.pop("fsGroup", None)
        policy = spec.take("restartPolicy", "Always")
        if policy not in {"Always", "Never"}:
            raise RefusedError(f"{where}: restartPolicy {policy} is not implemented")
        return PodSpec(
            before=tuple(_container(one, security) for one in spec.each("initContainers")),
            containers=tuple(_container(one, security) for one in spec.each("containers")),
            volumes=tuple(_volume(one) for one in spec.each("volumes")),
            node_selector=spec.take("nodeSelector", {}),
            grace=spec.take("terminationGracePeriodSeconds", 30),
            fs_group=fs_group,
            restarts=policy == "Always",
        )


def _container(found: Fields, shared: Mapping[str, Any]) -> Container:
    with found as fields:
        fields.only("imagePullPolicy", "IfNotPresent", "Never", default="IfNotPresent")
        with fields.into("resources") as resources:
            with resources.into("limits") as limits:
                memory, processors = limits.take("memory"), limits.take("cpu")
            with resources.into("requests") as requests:
                requests.take("memory")  # for whoever looks for a node with room
                shares = requests.take("cpu")
        return Container(
            name=fields.need("name"),
            image=fields.need("image"),
            command=tuple(fields.take("command", ())),
            args=tuple(fields.take("args", ())),
            env=tuple(_variable(one) for one in fields.each("env")),
            ports=tuple(_port(one) for one in fields.each("ports")),
            liveness=read_probe(fields, "livenessProbe"),
            readiness=read_probe(fields, "readinessProbe"),
            security=_security(Fields({**shared, **fields.take("securityContext", {})}, fields.where)),
            mounts=tuple(_mount(one) for one in fields.each("volumeMounts")),
            memory=_bytes(memory) if memory else None,
            shares=max(LEAST_SHARES, int(1024 * _processors(shares or processors or "0"))),
            processors=_processors(processors) if processors else None,
        )


def _security(found: Fields) -> Security:
    with found as fields:
        with fields.into("capabilities") as capabilities:
            drops, adds = capabilities.take("drop", ()), capabilities.take("add", ())
        with fields.into("seccompProfile") as profile:
            seccomp = profile.take("type", "Unconfined")
        if seccomp not in {"RuntimeDefault", "Unconfined"}:
            raise RefusedError(f"{fields.where}: seccompProfile {seccomp} is not implemented")
        return Security(
            user=fields.take("runAsUser"),
            group=fields.take("runAsGroup"),
            is_never_root=fields.take("runAsNonRoot", False),
            may_escalate=fields.take("allowPrivilegeEscalation", True),
            has_fixed_root=fields.take("readOnlyRootFilesystem", False),
            drops=tuple(drops),
            adds=tuple(adds),
            has_seccomp=seccomp == "RuntimeDefault",
        )


def _variable(found: Fields) -> tuple[str, str | None, str | None]:
    with found as fields:
        field = None
        if "valueFrom" in fields:
            with fields.into("valueFrom") as source, source.into("fieldRef") as reference:
                reference.only("apiVersion", "v1", default="v1")
                field = reference.need("fieldPath")
        return fields.need("name"), fields.take("value"), field


def _port(found: Fields) -> Port:
    with found as fields:
        fields.only("protocol", "TCP", default="TCP")
        return Port(
            name=fields.take("name"), number=fields.need("containerPort"), on_host=fields.take("hostPort")
        )


def _mount(found: Fields) -> Mount:
    with found as fields:
        return Mount(
            volume=fields.need("name"),
            path=fields.need("mountPath"),
            folder=fields.take("subPathExpr", ""),
            is_read_only=fields.take("readOnly", False),
        )


def _volume(found: Fields) -> Volume:
    with found as fields:
        name = fields.need("name")
        if "hostPath" in fields:
            with fields.into("hostPath") as place:
                kind = place.take("type", "Directory")
                if kind not in {"Directory", "DirectoryOrCreate"}:
                    raise RefusedError(f"{place.where}: type {kind} is not implemented")
                return Volume(
                    name=name, kind="hostPath", source=place.need("path"), must_exist=kind == "Directory"
                )
        if "emptyDir" in fields:
            with fields.into("emptyDir") as empty:
                empty.take("sizeLimit")  # for evictions
                return Volume(name=name, kind="emptyDir", source="")
        if "configMap" in fields:
            with fields.into("configMap") as files:
                return Volume(name=name, kind="configMap", source=files.need("name"))
        with fields.into("persistentVolumeClaim") as claim:
            return Volume(name=name, kind="persistentVolumeClaim", source=claim.need("claimName"))


def _bytes(text: str) -> int:
    return int(text[:-2]) * UNITS[text[-2:]]


def _processors(text: str) -> float:
    return int(text[:-1]) / 1000 if text.endswith("m") else float(text)
