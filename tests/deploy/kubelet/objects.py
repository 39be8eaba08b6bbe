"""Objects of Kubernetes as manifests have them, read into values."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.deploy.kubelet.fields import Fields, RefusedError
from tests.deploy.kubelet.podspec import PodSpec, read_pod

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Final = {
    "ConfigMap": "v1",
    "CronJob": "batch/v1",
    "DaemonSet": "apps/v1",
    "Deployment": "apps/v1",
    "Namespace": "v1",
    "PersistentVolumeClaim": "v1",
    "Pod": "v1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What an object is called."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What pods are made from."""

    labels: Mapping[str, str]
    spec: PodSpec
    revision: str
    """The same for what was made from the same text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An object."""

    key: Key
    template: Template | None = None
    selector: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 0
    """Of a Deployment."""
    unavailable: int | None = 1
    """Of a DaemonSet: how many nodes an update takes at a time; None: a pod waits until it is deleted."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Of a ConfigMap."""


def read_object(found: Mapping[str, Any], namespace: str) -> Item:
    """Read an object; one that names no namespace is in this one. Raises RefusedError."""
    kind = found["kind"]
    if KINDS.get(kind) != found["apiVersion"]:
        raise RefusedError(f"{kind} of {found['apiVersion']} is not implemented")
    with Fields(found, f"{kind} {found['metadata']['name']}") as fields:
        fields.take("kind")
        fields.take("apiVersion")
        with fields.into("metadata") as metadata:
            labels = metadata.take("labels", {})
            metadata.take("annotations")  # for others
            own = metadata.take("namespace", namespace)
            key = Key(kind=kind, namespace="" if kind == "Namespace" else own, name=metadata.need("name"))
        match kind:
            case "Namespace":
                return Item(key=key)
            case "ConfigMap":
                return Item(key=key, data=fields.need("data"))
            case "Pod":
                return Item(key=key, template=_made(labels, fields.need("spec"), fields.where))
        with fields.into("spec") as spec:
            return _WORKLOADS[kind](key, spec)


def _daemon_set(key: Key, spec: Fields) -> Item:
    with spec.into("updateStrategy") as strategy:
        unavailable: int | None = 1
        match strategy.take("type", "RollingUpdate"):
            case "OnDelete":
                unavailable = None
            case "RollingUpdate":
                with strategy.into("rollingUpdate") as rolling:
                    unavailable = rolling.take("maxUnavailable", 1)
            case other:
                raise RefusedError(f"{strategy.where}: {other} is not implemented")
    if unavailable is not None and not isinstance(unavailable, int):
        raise RefusedError(f"{spec.where}: maxUnavailable {unavailable} is not implemented")
    return Item(key=key, template=_template(spec), selector=_selector(spec), unavailable=unavailable)


def _deployment(key: Key, spec: Fields) -> Item:
    template, selector = _template(spec), _selector(spec)
    return Item(key=key, template=template, selector=selector, replicas=spec.take("replicas", 1))


def _cron_job(key: Key, spec: Fields) -> Item:
    spec.only("schedule", "* * * * *")
    spec.only("concurrencyPolicy", "Forbid")
    # How late a run may be, how long it may take, and what is kept of it: no run here is late or kept.
    for name in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        spec.take(name)
    with spec.into("jobTemplate") as job, job.into("spec") as run:
        run.only("backoffLimit", 0)
        run.take("activeDeadlineSeconds")
        return Item(key=key, template=_template(run))


def _claim(key: Key, spec: Fields) -> Item:
    spec.only("accessModes", ["ReadWriteMany"])
    spec.take("resources")  # for whoever looks for a disk
    spec.take("storageClassName")
    return Item(key=key)


_WORKLOADS: Final = {
    "CronJob": _cron_job,
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "PersistentVolumeClaim": _claim,
}


def _selector(spec: Fields) -> Mapping[str, str]:
    with spec.into("selector") as selector:
        labels: Mapping[str, str] = selector.need("matchLabels")
        return labels


def _template(spec: Fields) -> Template:
    with spec.into("template") as template:
        with template.into("metadata") as metadata:
            labels, annotations = metadata.take("labels", {}), metadata.take("annotations")
        return _made(labels, template.need("spec"), template.where, annotations)


def _made(labels: Mapping[str, str], spec: Mapping[str, Any], where: str, *more: object) -> Template:
    text = json.dumps([labels, spec, more], sort_keys=True)
    return Template(
        labels=labels,
        spec=read_pod(spec, f"{where}.spec"),
        revision=hashlib.sha256(text.encode()).hexdigest()[:10],
    )
