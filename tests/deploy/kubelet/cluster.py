"""A cluster of nodes on Docker, with the operations of `kubectl`."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tests.deploy.docker import docker
from tests.deploy.kubelet.cluster_waiting import wait_for
from tests.deploy.kubelet.container_exits import ContainerExits
from tests.deploy.kubelet.controllers import Controllers
from tests.deploy.kubelet.disks import Disk
from tests.deploy.kubelet.node import Node, Runtime, create_network
from tests.deploy.kubelet.objects import KubernetesObject, ObjectKey, read_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

    from tests.deploy.kubelet.pod import Pod

KINDS = {"ds": "DaemonSet", "deploy": "Deployment", "cronjob": "CronJob", "pod": "Pod"}


class Cluster:
    """A cluster that exists while the block runs; afterwards only its disks are left."""

    def __init__(
        self,
        folder: Path,
        images: Mapping[str, str],
        pause_image: str,
        *,
        nodes: int = 3,
        speedup: float = 5.0,
    ) -> None:
        """Prepare; the disks are in `folder`.

        The periods of probes, and the grace of containers that fail them, are divided by `speedup`.
        """
        self.images = dict(images)
        self.nodes: list[Node] = []
        self._folder = folder
        self._pause_image = pause_image
        self._count = nodes
        self._speedup = speedup
        self._name = f"nodelog-test-{random.randrange(16**6):06x}"  # noqa: S311 (no secret)
        self._objects: dict[ObjectKey, dict[str, Any]] = {}
        self._previous: dict[ObjectKey, dict[str, Any]] = {}  # before the last change of their templates
        self._controllers = Controllers(self.nodes)
        self._controllers.objects[_DEFAULT.key] = _DEFAULT
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Create the nodes."""
        with ExitStack() as stack:
            exits = stack.enter_context(ContainerExits(self._name))
            runtime = Runtime(
                label=self._name,
                exits=exits,
                images=self.images,
                pause_image=self._pause_image,
                speedup=self._speedup,
            )
            (self._folder / "claims").mkdir(parents=True)
            for number in range(1, self._count + 1):
                network, address = create_network(f"{self._name}-{number}", self._name)
                stack.callback(docker, "network", "rm", network)
                disk = Disk(self._folder / f"node-{number}", self._folder / "claims", self._files)
                node = Node(f"node-{number}", address, network, disk, runtime)
                self.nodes.append(node)
            stack.callback(self._clear)
            stack.enter_context(self._controllers)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove everything but the disks."""
        self._stack.close()

    def apply(self, *objects: Mapping[str, Any], namespace: str = "default") -> None:
        """Create or change objects. Raises RefusedError for what is not implemented."""
        for found in objects:
            item = read_object(found, namespace)
            with self._controllers.lock:
                if item.key.namespace and item.key.namespace not in self._namespaces():
                    raise LookupError(f"namespaces {item.key.namespace!r} not found")
                self._keep_previous(item)
                self._objects[item.key], self._controllers.objects[item.key] = dict(found), item
                if item.key.kind == "PersistentVolumeClaim":
                    self.claim_path(item.key.name).mkdir(exist_ok=True)
                if item.key.kind == "Pod" and item.template and not self._controllers.pods_of(item.key):
                    self._controllers.create(item.key, item.template, name=item.key.name)

    def delete(self, name: str, *, cascade: bool = True, namespace: str = "default") -> None:
        """Delete an object (`ds/logd`), and its pods too unless `cascade` is false."""
        key = self._key(name, namespace)
        with self._controllers.lock:
            del self._objects[key], self._controllers.objects[key]
            for pod in self._controllers.pods_of(key):
                pod.owner = None
                if cascade:
                    pod.delete()

    def delete_pod(self, pod: Pod, *, grace: float | None = None, wait: bool = True) -> None:
        """Delete a pod, and wait until it is gone."""
        pod.delete(grace)
        if wait:
            wait_for(lambda: pod.is_gone, f"{pod.name} is gone")

    def set_image(self, name: str, *, namespace: str = "default", **images: str) -> None:
        """Set the images of an object's containers by their names."""
        found = self._copy_of(name, namespace)
        for container in _containers(found):
            container["image"] = images.get(container["name"], container["image"])
        self.apply(found, namespace=namespace)

    def rollout_restart(self, name: str, *, namespace: str = "default") -> None:
        """Replace its pods with the same template."""
        found = self._copy_of(name, namespace)
        annotations = found["spec"]["template"]["metadata"].setdefault("annotations", {})
        annotations["kubectl.kubernetes.io/restartedAt"] = str(time.time())
        self.apply(found, namespace=namespace)

    def rollout_undo(self, name: str, *, namespace: str = "default") -> None:
        """Restore an object as it was before the last change of its template."""
        self.apply(self._previous[self._key(name, namespace)], namespace=namespace)

    def rollout_status(self, name: str, *, namespace: str = "default") -> None:
        """Wait until all its pods are ready and of the current template."""
        wait_for(
            lambda: self.is_rolled_out(name, namespace=namespace),
            f"{name} is rolled out",
        )

    def is_rolled_out(self, name: str, *, namespace: str = "default") -> bool:
        """Return whether all its pods are ready and of the current template, and no other is left."""
        key = self._key(name, namespace)
        with self._controllers.lock:
            item, pods = self._controllers.objects[key], self._controllers.pods_of(key)
            assert item.template is not None
            wanted = item.replicas
            if key.kind == "DaemonSet":
                wanted = sum(node.matches(item.template.spec.node_selector) for node in self.nodes)
            current = [pod for pod in pods if pod.is_ready and pod.revision == item.template.revision]
            return len(current) == len(pods) == wanted

    def pods(self, *, on: Node | None = None, namespace: str = "default", **labels: str) -> list[Pod]:
        """Return the pods with these labels, node by node."""
        with self._controllers.lock:
            return [
                pod
                for pod in self._controllers.pods()
                if pod.namespace == namespace
                and labels.items() <= pod.labels.items()
                and on in {None, pod.node}
            ]

    def pod(self, *, on: Node, namespace: str = "default", **labels: str) -> Pod:
        """Return the only pod with these labels on a node that was not deleted."""
        (found,) = (one for one in self.pods(on=on, namespace=namespace, **labels) if not one.is_ending)
        return found

    def claim_path(self, name: str) -> Path:
        """Return the folder of a claim's volume."""
        return self._folder / "claims" / name

    def settle(self) -> None:
        """Wait until the controllers have checked everything and acted on it."""
        self._controllers.settle()

    def run_cron_jobs(self) -> list[Pod]:
        """Start a run of every CronJob whose last run has ended, as each minute does; return their pods."""
        with self._controllers.lock:
            due = [
                (item.key, item.template)
                for item in self._controllers.objects.values()
                if item.key.kind == "CronJob" and item.template and not self._runs(item.key)
            ]
            return [self._controllers.create(*one) for one in due]

    def _keep_previous(self, item: KubernetesObject) -> None:
        before = self._controllers.objects.get(item.key)
        old, new = before.template if before else None, item.template
        if old and new and old.revision != new.revision:
            self._previous[item.key] = self._objects[item.key]

    def _runs(self, key: ObjectKey) -> bool:
        return any(pod.phase in {"Pending", "Running"} for pod in self._controllers.pods_of(key))

    def _key(self, name: str, namespace: str) -> ObjectKey:
        kind, _, rest = name.partition("/")
        return ObjectKey(kind=KINDS[kind], namespace=namespace, name=rest)

    def _copy_of(self, name: str, namespace: str) -> dict[str, Any]:
        return deepcopy(self._objects[self._key(name, namespace)])

    def _namespaces(self) -> set[str]:
        return {key.name for key in self._controllers.objects if key.kind == "Namespace"}

    def _files(self, name: str) -> Mapping[str, str]:
        items = self._controllers.objects.values()
        (found,) = (item for item in items if (item.key.kind, item.key.name) == ("ConfigMap", name))
        return found.data

    def _clear(self) -> None:
        for node in self.nodes:
            node.is_up = False  # which ends the threads of its pods
        for pod in self._controllers.pods():
            pod.join()
        if left := docker("ps", "--all", "--quiet", f"--filter=label={self._name}").split():
            docker("rm", "--force", "--volumes", *left)


_DEFAULT = KubernetesObject(key=ObjectKey(kind="Namespace", namespace="", name="default"))


def _containers(found: dict[str, Any]) -> list[dict[str, Any]]:
    spec = found["spec"]["template"]["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]
