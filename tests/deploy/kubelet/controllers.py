"""The controllers create and delete pods until the cluster matches its objects."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from tests.deploy.kubelet import rollout
from tests.deploy.kubelet.cluster_waiting import wait_for
from tests.deploy.kubelet.pod import Pod
from tests.deploy.kubelet.rollout import PodState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from tests.deploy.kubelet.node import Node
    from tests.deploy.kubelet.objects import KubernetesObject, ObjectKey, PodTemplate

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
POLL_INTERVAL = 0.05  # seconds


class Controllers:
    """The controllers of a cluster, in a thread, while the block runs. Hold `lock` to change `objects`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        """Prepare; the block starts them."""
        self.objects: dict[ObjectKey, KubernetesObject] = {}
        self.lock = threading.RLock()
        self._nodes = nodes
        self._stopped = threading.Event()
        self._rounds = 0
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="controllers", daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; raise the error that stopped them before, if any."""
        self._stopped.set()
        self._thread.join()
        if self._error:
            raise self._error

    def pods(self) -> list[Pod]:
        """Return the pods of all nodes, node by node."""
        return [pod for node in self._nodes for pod in node.pods if not pod.is_gone]

    def pods_of(self, key: ObjectKey) -> list[Pod]:
        """Return the pods of an object."""
        return [pod for pod in self.pods() if pod.owner == key]

    def create(self, key: ObjectKey, template: PodTemplate, *, name: str = "", on: str = "") -> Pod:
        """Create a pod on the allowed node that has the fewest pods of the same object."""
        suffix = "".join(random.choices(LETTERS, k=5))  # noqa: S311 (no secret)
        middle = f"{template.revision}-" if key.kind == "Deployment" else ""
        allowed = [
            node
            for node in self._nodes
            if node.matches(template.spec.node_selector) and on in {"", node.name}
        ]
        node = min(allowed, key=lambda node: sum(pod.owner == key for pod in node.pods))
        pod = Pod(name or f"{key.name}-{middle}{suffix}", key.namespace, template, node, owner=key)
        node.pods.append(pod)
        return pod

    def settle(self) -> None:
        """Wait until they have checked everything and acted on it."""
        target = self._rounds + 3
        wait_for(lambda: self._rounds > target, "the controllers have run")

    def _run(self) -> None:
        while not self._stopped.wait(POLL_INTERVAL):
            try:
                with self.lock:
                    self._run_once()
                    self._rounds += 1
            except Exception as error:  # noqa: BLE001 (raised at the end of the block)
                self._error = error
                return

    def _run_once(self) -> None:
        for node in self._nodes:
            node.pods[:] = [pod for pod in node.pods if not pod.is_gone]
        for item in self.objects.values():
            if item.template and item.key.kind in {"DaemonSet", "Deployment"}:
                self._adopt(item)
                self._act(item, item.template)

    def _adopt(self, item: KubernetesObject) -> None:
        for pod in self.pods():
            matches = item.selector.items() <= pod.labels.items()
            if pod.owner is None and matches and pod.namespace == item.key.namespace and not pod.is_ending:
                pod.owner = item.key

    def _act(self, item: KubernetesObject, template: PodTemplate) -> None:
        pods = self.pods_of(item.key)
        states = [
            PodState(
                name=pod.name,
                node=pod.node.name,
                is_current=pod.revision == template.revision,
                is_ready=pod.is_ready,
                is_ending=pod.is_ending,
            )
            for pod in pods
        ]
        nodes = [node for node in self._nodes if node.matches(template.spec.node_selector)]
        if item.key.kind == "DaemonSet":
            actions = rollout.daemon_set([node.name for node in nodes], states, item.max_unavailable)
        else:
            actions = rollout.deployment(item.replicas, states)
        for name in actions.create:
            self.create(item.key, template, on=name)
        for _ in range(actions.create_anywhere):
            self.create(item.key, template)
        for pod in pods:
            if pod.name in actions.delete:
                pod.delete()
