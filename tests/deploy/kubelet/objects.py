"""Reads the Kubernetes objects of the manifests into values."""

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
class ObjectKey:
    """The kind, the namespace and the name of an object."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTemplate:
    """The template that pods are created from."""

    labels: Mapping[str, str]
    spec: PodSpec
    revision: str
    """A hash of the template's text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesObject:
    """An object."""

    key: ObjectKey
    template: PodTemplate | None = None
    selector: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 0
    """Only of a Deployment."""
    max_unavailable: int | None = 1
    """Only of a DaemonSet: how many nodes an update may take at a time; None: only deleted pods change."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Only of a ConfigMap."""


def read_object(found: Mapping[str, Any], namespace: str) -> KubernetesObject:
    """Read an object; `namespace` applies if it names none. Raises RefusedError."""
    kind = found["kind"]
    if KINDS.get(kind) != found["apiVersion"]:
        raise RefusedError(f"{kind} of {found['apiVersion']} is not implemented")
    with Fields(found, f"{kind} {found['metadata']['name']}") as fields:
        fields.take("kind")
        fields.take("apiVersion")
        with fields.object("metadata") as metadata:
            labels = metadata.take("labels", {})
            metadata.take("annotations")  # for other programs
            own = metadata.take("namespace", namespace)
            key = ObjectKey(
                kind=kind, namespace="" if kind == "Namespace" else own, name=metadata.require("name")
            )
        match kind:
            case "Namespace":
                return KubernetesObject(key=key)
            case "ConfigMap":
                return KubernetesObject(key=key, data=fields.require("data"))
            case "Pod":
                return KubernetesObject(
                    key=key, template=_pod_template(labels, fields.require("spec"), fields.where)
                )
        with fields.object("spec") as spec:
            return _WORKLOADS[kind](key, spec)


def _daemon_set(key: ObjectKey, spec: Fields) -> KubernetesObject:
    with spec.object("updateStrategy") as strategy:
        max_unavailable: int | None = 1
        match strategy.take("type", "RollingUpdate"):
            case "OnDelete":
                max_unavailable = None
            case "RollingUpdate":
                with strategy.object("rollingUpdate") as rolling:
                    max_unavailable = rolling.take("maxUnavailable", 1)
            case other:
                raise RefusedError(f"{strategy.where}: {other} is not implemented")
    if max_unavailable is not None and not isinstance(max_unavailable, int):
        raise RefusedError(f"{spec.where}: maxUnavailable {max_unavailable} is not implemented")
    return KubernetesObject(
        key=key, template=_template(spec), selector=_selector(spec), max_unavailable=max_unavailable
    )


def _deployment(key: ObjectKey, spec: Fields) -> KubernetesObject:
    template, selector = _template(spec), _selector(spec)
    return KubernetesObject(key=key, template=template, selector=selector, replicas=spec.take("replicas", 1))


def _cron_job(key: ObjectKey, spec: Fields) -> KubernetesObject:
    spec.expect("schedule", "* * * * *")
    spec.expect("concurrencyPolicy", "Forbid")
    # How late a run may start, how long it may take, how many are kept: no run here is late or kept.
    for name in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        spec.take(name)
    with spec.object("jobTemplate") as job, job.object("spec") as run:
        run.expect("backoffLimit", 0)
        run.take("activeDeadlineSeconds")
        return KubernetesObject(key=key, template=_template(run))


def _claim(key: ObjectKey, spec: Fields) -> KubernetesObject:
    spec.expect("accessModes", ["ReadWriteMany"])
    spec.take("resources")  # for the provisioner of a disk
    spec.take("storageClassName")
    return KubernetesObject(key=key)


_WORKLOADS: Final = {
    "CronJob": _cron_job,
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "PersistentVolumeClaim": _claim,
}


def _selector(spec: Fields) -> Mapping[str, str]:
    with spec.object("selector") as selector:
        labels: Mapping[str, str] = selector.require("matchLabels")
        return labels


def _template(spec: Fields) -> PodTemplate:
    with spec.object("template") as template:
        with template.object("metadata") as metadata:
            labels, annotations = metadata.take("labels", {}), metadata.take("annotations")
        return _pod_template(labels, template.require("spec"), template.where, annotations)


def _pod_template(
    labels: Mapping[str, str], spec: Mapping[str, Any], where: str, *more: object
) -> PodTemplate:
    text = json.dumps([labels, spec, more], sort_keys=True)
    return PodTemplate(
        labels=labels,
        spec=read_pod(spec, f"{where}.spec"),
        revision=hashlib.sha256(text.encode()).hexdigest()[:10],
    )
