"""`nodelog load` to the collector of one node: from a pod on that node, or from outside of it."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING, Any, Protocol

from tests.deploy.kubelet.waiting import PATIENCE, wait_for
from tests.deploy.manifests import PROGRAMS

from nodelog import __version__

if TYPE_CHECKING:
    from typing import Self

    from tests.deploy.kubelet.cluster import Cluster
    from tests.deploy.kubelet.node import Node

IMAGE = f"nodelog:{__version__}"
HOST_IP = {"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}
NOTHING_MORE = {"automountServiceAccountToken": False, "enableServiceLinks": False}


class Sender(Protocol):
    """One `nodelog load`, as a context that begins it."""

    node: Node

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """Leave nothing running."""

    def end(self) -> None:
        """Tell it to end."""

    def told(self) -> str:
        """Return what it printed, as JSON, once it has ended."""


class Inside:
    """A pod on the node."""

    def __init__(self, cluster: Cluster, node: Node, run: str, *options: str) -> None:
        """Prepare."""
        self.node = node
        self._cluster = cluster
        self._name = f"load-{run}-{node.name}"
        self._args = [f"--run={run}", *options]

    def __enter__(self) -> Self:
        """Begin."""
        self._cluster.apply(self._object())
        (self._pod,) = self._cluster.pods(name=self._name)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing running."""
        self._cluster.delete_pod(self._pod, grace=0)
        self._cluster.delete(f"pod/{self._name}")

    def end(self) -> None:
        """Tell it to end."""
        assert self._pod.phase == "Running", (self._pod.phase, self._pod.lives, self._pod.reason)
        self._pod.signal("TERM")

    def told(self) -> str:
        """Return what it printed, as JSON, once it has ended."""
        wait_for(lambda: self._pod.phase != "Running", f"{self._name} has ended")
        assert self._pod.phase == "Succeeded", self._pod.lives[-1].said
        return self._pod.lives[-1].printed

    def _object(self) -> dict[str, Any]:
        container = {
            "name": "load",
            "image": IMAGE,
            "command": ["nodelog", "load", "--json"],
            "args": self._args,
            "env": [HOST_IP],
            "resources": {"requests": {"cpu": "50m"}},
        }
        where = {"kubernetes.io/hostname": self.node.name}
        spec = {"restartPolicy": "Never", "nodeSelector": where, "containers": [container]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self._name, "labels": {"name": self._name}},
            "spec": {**NOTHING_MORE, **spec},
        }


class Outside:
    """A process that is on none of the nodes: an application that reaches the node over the network."""

    def __init__(self, node: Node, run: str, *options: str) -> None:
        """Prepare."""
        self.node = node
        self._args = [f"--host={node.address}", f"--run={run}", *options]

    def __enter__(self) -> Self:
        """Begin."""
        self._process = subprocess.Popen(
            [PROGRAMS / "nodelog", "load", "--json", *self._args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing running."""
        self._process.kill()  # does nothing once it has ended
        self._process.communicate()

    def end(self) -> None:
        """Tell it to end."""
        assert self._process.poll() is None, f"it ended with {self._process.returncode}"
        self._process.send_signal(signal.SIGTERM)

    def told(self) -> str:
        """Return what it printed, as JSON, once it has ended."""
        printed, said = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0, said
        return printed
