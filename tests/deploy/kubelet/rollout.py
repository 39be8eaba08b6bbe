"""Which pods a DaemonSet and a Deployment make and delete, one look at a time: their controllers' rules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A pod as a controller sees it."""

    name: str
    node: str
    is_current: bool
    """Of today's template."""
    is_ready: bool
    is_ending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is to be done now."""

    create: tuple[str, ...] = ()
    """A pod on each of these nodes."""
    more: int = 0
    """So many pods on any nodes."""
    delete: tuple[str, ...] = ()
    """These pods."""


def daemon_set(nodes: Collection[str], pods: Sequence[Seen], unavailable: int | None) -> Step:
    """Have one pod on each of these nodes, and of the old ones replace so many at a time; None: none.

    A node's new pod is made when its old one is gone, never before.
    """
    create = tuple(sorted(set(nodes) - {pod.node for pod in pods}))
    delete = [pod.name for pod in pods if pod.node not in nodes and not pod.is_ending]
    mine = [pod for pod in pods if pod.node in nodes]
    if unavailable is not None:
        old = [pod for pod in mine if not pod.is_current and not pod.is_ending]
        delete += [pod.name for pod in old if not pod.is_ready]
        away = len(create) + sum(not pod.is_ready or pod.is_ending for pod in mine)
        delete += [pod.name for pod in old if pod.is_ready][: max(0, unavailable - away)]
    return Step(create=create, delete=tuple(delete))


def deployment(replicas: int, pods: Sequence[Seen]) -> Step:
    """Have so many pods of today's template; during an update a quarter more, and a quarter unready."""
    surge, unready = math.ceil(replicas / 4), replicas // 4
    alive = [pod for pod in pods if not pod.is_ending]
    new, old = [pod for pod in alive if pod.is_current], [pod for pod in alive if not pod.is_current]
    most = replicas + (surge if old else 0)
    spare = sum(pod.is_ready for pod in alive) - (replicas - unready)
    delete = [pod.name for pod in new[replicas:]]
    delete += [pod.name for pod in old if not pod.is_ready]
    delete += [pod.name for pod in old if pod.is_ready][: max(0, spare)]
    return Step(more=max(0, min(replicas - len(new), most - len(alive))), delete=tuple(delete))
