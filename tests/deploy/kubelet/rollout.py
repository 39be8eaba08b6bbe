"""The rules of the DaemonSet and Deployment controllers: which pods to create and delete next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class PodState:
    """A pod as a controller sees it."""

    name: str
    node: str
    is_current: bool
    """Created from the current template."""
    is_ready: bool
    is_ending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """What to do next."""

    create: tuple[str, ...] = ()
    """Create a pod on each of these nodes."""
    create_anywhere: int = 0
    """Create this number of pods on any nodes."""
    delete: tuple[str, ...] = ()
    """Delete these pods."""


def daemon_set(nodes: Collection[str], pods: Sequence[PodState], max_unavailable: int | None) -> Actions:
    """Keep one pod on each of these nodes; replace old pods `max_unavailable` at a time, or never if None.

    A node's new pod is created once its old one is gone, never before.
    """
    create = tuple(sorted(set(nodes) - {pod.node for pod in pods}))
    delete = [pod.name for pod in pods if pod.node not in nodes and not pod.is_ending]
    placed = [pod for pod in pods if pod.node in nodes]
    if max_unavailable is not None:
        old = [pod for pod in placed if not pod.is_current and not pod.is_ending]
        delete += [pod.name for pod in old if not pod.is_ready]
        away = len(create) + sum(not pod.is_ready or pod.is_ending for pod in placed)
        delete += [pod.name for pod in old if pod.is_ready][: max(0, max_unavailable - away)]
    return Actions(create=create, delete=tuple(delete))


def deployment(replicas: int, pods: Sequence[PodState]) -> Actions:
    """Keep `replicas` current pods; an update may add a quarter more, and leave a quarter unready."""
    surge, unready = math.ceil(replicas / 4), replicas // 4
    alive = [pod for pod in pods if not pod.is_ending]
    new, old = [pod for pod in alive if pod.is_current], [pod for pod in alive if not pod.is_current]
    limit = replicas + (surge if old else 0)
    spare = sum(pod.is_ready for pod in alive) - (replicas - unready)
    delete = [pod.name for pod in new[replicas:]]
    delete += [pod.name for pod in old if not pod.is_ready]
    delete += [pod.name for pod in old if pod.is_ready][: max(0, spare)]
    return Actions(create_anywhere=max(0, min(replicas - len(new), limit - len(alive))), delete=tuple(delete))
