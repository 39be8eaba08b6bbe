"""The controllers: what has pods made and deleted until all is as the objects want it."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from tests.deploy.kubelet import rollout
from tests.deploy.kubelet.pod import Pod
from tests.deploy.kubelet.rollout import Seen
from tests.deploy.kubelet.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from tests.deploy.kubelet.node import Node
    from tests.deploy.kubelet.objects import Item, Key, Template

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
TICK = 0.05  # seconds


class Controllers:
    """Those of a cluster, in a thread, as a context. Whoever changes `items` holds `lock`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        """Prepare."""
        self.items: dict[Key, Item] = {}
        self.lock = threading.RLock()
        self._nodes = nodes
        self._ended = threading.Event()
        self._looks = 0
        self._trouble: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="controllers", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End; raise what ended them before."""
        self._ended.set()
        self._thread.join()
        if self._trouble:
            raise self._trouble

    def pods(self) -> list[Pod]:
        """Give the pods of all nodes, node by node."""
        return [pod for node in self._nodes for pod in node.pods if not pod.is_gone]

    def pods_of(self, key: Key) -> list[Pod]:
        """Give the pods of an object."""
        return [pod for pod in self.pods() if pod.owner == key]

    def create(self, key: Key, template: Template, *, name: str = "", on: str = "") -> Pod:
        """Make a pod, on the node of fewest of its kind that its template allows."""
        suffix = "".join(random.choices(LETTERS, k=5))  # noqa: S311 (no secret)
        middle = f"{template.revision}-" if key.kind == "Deployment" else ""
        allowed = [
            node for node in self._nodes if node.has(template.spec.node_selector) and on in {"", node.name}
        ]
        node = min(allowed, key=lambda node: sum(pod.owner == key for pod in node.pods))
        pod = Pod(name or f"{key.name}-{middle}{suffix}", key.namespace, template, node, owner=key)
        node.pods.append(pod)
        return pod

    def think(self) -> None:
        """Return once they have looked at everything, and done what they want to."""
        least = self._looks + 3
        wait_for(lambda: self._looks > least, "the controllers look")

    def _run(self) -> None:
        while not self._ended.wait(TICK):
            try:
                with self.lock:
                    self._look()
                    self._looks += 1
            except Exception as error:  # noqa: BLE001 (told at the end of the block)
                self._trouble = error
                return

    def _look(self) -> None:
        for node in self._nodes:
            node.pods[:] = [pod for pod in node.pods if not pod.is_gone]
        for item in self.items.values():
            if item.template and item.key.kind in {"DaemonSet", "Deployment"}:
                self._adopt(item)
                self._step(item, item.template)

    def _adopt(self, item: Item) -> None:
        for pod in self.pods():
            matches = item.selector.items() <= pod.labels.items()
            if pod.owner is None and matches and pod.namespace == item.key.namespace and not pod.is_ending:
                pod.owner = item.key

    def _step(self, item: Item, template: Template) -> None:
        pods = self.pods_of(item.key)
        seen = [
            Seen(
                name=pod.name,
                node=pod.node.name,
                is_current=pod.revision == template.revision,
                is_ready=pod.is_ready,
                is_ending=pod.is_ending,
            )
            for pod in pods
        ]
        nodes = [node for node in self._nodes if node.has(template.spec.node_selector)]
        if item.key.kind == "DaemonSet":
            step = rollout.daemon_set([node.name for node in nodes], seen, item.unavailable)
        else:
            step = rollout.deployment(item.replicas, seen)
        for name in step.create:
            self.create(item.key, template, on=name)
        for _ in range(step.more):
            self.create(item.key, template)
        for pod in pods:
            if pod.name in step.delete:
                pod.delete()
