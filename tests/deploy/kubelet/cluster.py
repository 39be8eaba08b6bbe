"""Three nodes and a control plane: what `kubectl` is asked for, done on Docker."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tests.deploy.docker import docker
from tests.deploy.kubelet.controllers import Controllers
from tests.deploy.kubelet.deaths import Deaths
from tests.deploy.kubelet.disks import Disk
from tests.deploy.kubelet.node import Node, Runtime, make_network
from tests.deploy.kubelet.objects import Item, Key, read_object
from tests.deploy.kubelet.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

    from tests.deploy.kubelet.pod import Pod

SHORT = {"ds": "DaemonSet", "deploy": "Deployment", "cronjob": "CronJob", "pod": "Pod"}


class Cluster:
    """A cluster of nodes, as a context: at its end nothing is left of it but the disks."""

    def __init__(
        self, folder: Path, images: Mapping[str, str], pause_image: str, *, nodes: int = 3, haste: float = 5.0
    ) -> None:
        """Prepare; disks are in `folder`.

        For the tests' sake periods of probes, and the grace of who fails them, are divided by `haste`.
        """
        self.images = dict(images)
        self.nodes: list[Node] = []
        self._folder = folder
        self._pause_image = pause_image
        self._count = nodes
        self._haste = haste
        self._name = f"nodelog-test-{random.randrange(16**6):06x}"  # noqa: S311 (no secret)
        self._objects: dict[Key, dict[str, Any]] = {}
        self._earlier: dict[Key, dict[str, Any]] = {}  # before their templates were changed
        self._controllers = Controllers(self.nodes)
        self._controllers.items[_DEFAULT.key] = _DEFAULT
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Boot the nodes."""
        with ExitStack() as stack:
            deaths = stack.enter_context(Deaths(self._name))
            runtime = Runtime(
                label=self._name,
                deaths=deaths,
                images=self.images,
                pause_image=self._pause_image,
                haste=self._haste,
            )
            (self._folder / "claims").mkdir(parents=True)
            for number in range(1, self._count + 1):
                network, address = make_network(f"{self._name}-{number}", self._name)
                stack.callback(docker, "network", "rm", network)
                disk = Disk(self._folder / f"node-{number}", self._folder / "claims", self._files)
                node = Node(f"node-{number}", address, network, disk, runtime)
                self.nodes.append(node)
            stack.callback(self._clear)
            stack.enter_context(self._controllers)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Shut down."""
        self._stack.close()

    # What kubectl is asked for.

    def apply(self, *objects: Mapping[str, Any], namespace: str = "default") -> None:
        """Create objects or change them. Raises RefusedError for what is not implemented."""
        for found in objects:
            item = read_object(found, namespace)
            with self._controllers.lock:
                if item.key.namespace and item.key.namespace not in self._namespaces():
                    raise LookupError(f"namespaces {item.key.namespace!r} not found")
                self._note_change(item)
                self._objects[item.key], self._controllers.items[item.key] = dict(found), item
                if item.key.kind == "PersistentVolumeClaim":
                    self.claim(item.key.name).mkdir(exist_ok=True)
                if item.key.kind == "Pod" and item.template and not self._controllers.pods_of(item.key):
                    self._controllers.create(item.key, item.template, name=item.key.name)

    def delete(self, name: str, *, cascade: bool = True, namespace: str = "default") -> None:
        """Delete an object (`ds/logd`), with its pods or, without `cascade`, leaving them to themselves."""
        key = self._key(name, namespace)
        with self._controllers.lock:
            del self._objects[key], self._controllers.items[key]
            for pod in self._controllers.pods_of(key):
                pod.owner = None
                if cascade:
                    pod.delete()

    def delete_pod(self, pod: Pod, *, grace: float | None = None, wait: bool = True) -> None:
        """Delete a pod, and return once it is gone."""
        pod.delete(grace)
        if wait:
            wait_for(lambda: pod.is_gone, f"{pod.name} is gone")

    def set_image(self, name: str, *, namespace: str = "default", **images: str) -> None:
        """Give containers of an object another image, by their names."""
        found = self._found(name, namespace)
        for container in _containers(found):
            container["image"] = images.get(container["name"], container["image"])
        self.apply(found, namespace=namespace)

    def rollout_restart(self, name: str, *, namespace: str = "default") -> None:
        """Have its pods replaced by others of the same kind."""
        found = self._found(name, namespace)
        notes = found["spec"]["template"]["metadata"].setdefault("annotations", {})
        notes["kubectl.kubernetes.io/restartedAt"] = str(time.time())
        self.apply(found, namespace=namespace)

    def rollout_undo(self, name: str, *, namespace: str = "default") -> None:
        """Have an object as it was before its template was changed."""
        self.apply(self._earlier[self._key(name, namespace)], namespace=namespace)

    def rollout_status(self, name: str, *, namespace: str = "default") -> None:
        """Return once all its pods are ready and of today's template."""
        wait_for(
            lambda: self.is_rolled_out(name, namespace=namespace),
            f"{name} is rolled out",
        )

    def is_rolled_out(self, name: str, *, namespace: str = "default") -> bool:
        """Whether all its pods are ready and of today's template, and none is left that is not."""
        key = self._key(name, namespace)
        with self._controllers.lock:
            item, pods = self._controllers.items[key], self._controllers.pods_of(key)
            assert item.template is not None
            wanted = item.replicas
            if key.kind == "DaemonSet":
                wanted = sum(node.has(item.template.spec.node_selector) for node in self.nodes)
            current = [pod for pod in pods if pod.is_ready and pod.revision == item.template.revision]
            return len(current) == len(pods) == wanted

    def pods(self, *, on: Node | None = None, namespace: str = "default", **labels: str) -> list[Pod]:
        """Give the pods with these labels, node by node."""
        with self._controllers.lock:
            return [
                pod
                for pod in self._controllers.pods()
                if pod.namespace == namespace
                and labels.items() <= pod.labels.items()
                and on in {None, pod.node}
            ]

    def pod(self, *, on: Node, namespace: str = "default", **labels: str) -> Pod:
        """Give the one pod with these labels on a node that is not about to go."""
        (found,) = (one for one in self.pods(on=on, namespace=namespace, **labels) if not one.is_ending)
        return found

    def claim(self, name: str) -> Path:
        """Say where the volume of a claim is."""
        return self._folder / "claims" / name

    def think(self) -> None:
        """Return once the controllers have looked at everything, and done what they want to."""
        self._controllers.think()

    def a_minute_passes(self) -> list[Pod]:
        """Have every CronJob start its run, but for those whose last one is not through; give the runs."""
        with self._controllers.lock:
            due = [
                (item.key, item.template)
                for item in self._controllers.items.values()
                if item.key.kind == "CronJob" and item.template and not self._runs(item.key)
            ]
            return [self._controllers.create(*one) for one in due]

    def _note_change(self, item: Item) -> None:
        before = self._controllers.items.get(item.key)
        old, new = before.template if before else None, item.template
        if old and new and old.revision != new.revision:
            self._earlier[item.key] = self._objects[item.key]

    def _runs(self, key: Key) -> bool:
        return any(pod.phase in {"Pending", "Running"} for pod in self._controllers.pods_of(key))

    def _key(self, name: str, namespace: str) -> Key:
        kind, _, rest = name.partition("/")
        return Key(kind=SHORT[kind], namespace=namespace, name=rest)

    def _found(self, name: str, namespace: str) -> dict[str, Any]:
        return deepcopy(self._objects[self._key(name, namespace)])

    def _namespaces(self) -> set[str]:
        return {key.name for key in self._controllers.items if key.kind == "Namespace"}

    def _files(self, name: str) -> Mapping[str, str]:
        items = self._controllers.items.values()
        (found,) = (item for item in items if (item.key.kind, item.key.name) == ("ConfigMap", name))
        return found.data

    def _clear(self) -> None:
        for node in self.nodes:
            node.is_up = False  # the threads of its pods let go
        for pod in self._controllers.pods():
            pod.join()
        if left := docker("ps", "--all", "--quiet", f"--filter=label={self._name}").split():
            docker("rm", "--force", "--volumes", *left)


_DEFAULT = Item(key=Key(kind="Namespace", namespace="", name="default"))


def _containers(found: dict[str, Any]) -> list[dict[str, Any]]:
    spec = found["spec"]["template"]["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]
