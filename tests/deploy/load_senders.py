"""`nodelog load` to the collector of one node: from a pod on the node, or from outside."""

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
POD_DEFAULTS = {"automountServiceAccountToken": False, "enableServiceLinks": False}


class Sender(Protocol):
    """One `nodelog load`, which the block starts."""

    node: Node

    def __enter__(self) -> Self:
        """Start it."""

    def __exit__(self, *_: object) -> None:
        """Kill it if it still runs."""

    def stop(self) -> None:
        """Ask it to stop."""

    def result(self) -> str:
        """Wait until it has ended and return the JSON it printed."""


class PodSender:
    """A sender in a pod on the node."""

    def __init__(self, cluster: Cluster, node: Node, run: str, *options: str) -> None:
        """Prepare; the block starts it."""
        self.node = node
        self._cluster = cluster
        self._name = f"load-{run}-{node.name}"
        self._args = [f"--run={run}", *options]

    def __enter__(self) -> Self:
        """Start it."""
        self._cluster.apply(self._object())
        (self._pod,) = self._cluster.pods(name=self._name)
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it if it still runs."""
        self._cluster.delete_pod(self._pod, grace=0)
        self._cluster.delete(f"pod/{self._name}")

    def stop(self) -> None:
        """Ask it to stop."""
        assert self._pod.phase == "Running", (self._pod.phase, self._pod.runs, self._pod.reason)
        self._pod.signal("TERM")

    def result(self) -> str:
        """Wait until it has ended and return the JSON it printed."""
        wait_for(lambda: self._pod.phase != "Running", f"{self._name} has ended")
        assert self._pod.phase == "Succeeded", self._pod.runs[-1].stderr
        return self._pod.runs[-1].stdout

    def _object(self) -> dict[str, Any]:
        container = {
            "name": "load",
            "image": IMAGE,
            "command": ["nodelog", "load", "--json"],
            "args": self._args,
            "env": [HOST_IP],
            "resources": {"requests": {"cpu": "50m"}},
        }
        node_selector = {"kubernetes.io/hostname": self.node.name}
        spec = {"restartPolicy": "Never", "nodeSelector": node_selector, "containers": [container]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self._name, "labels": {"name": self._name}},
            "spec": {**POD_DEFAULTS, **spec},
        }


class OutsideSender:
    """A process outside the cluster, which reaches the node over the network."""

    def __init__(self, node: Node, run: str, *options: str) -> None:
        """Prepare; the block starts it."""
        self.node = node
        self._args = [f"--host={node.address}", f"--run={run}", *options]

    def __enter__(self) -> Self:
        """Start it."""
        self._process = subprocess.Popen(
            [PROGRAMS / "nodelog", "load", "--json", *self._args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it if it still runs."""
        self._process.kill()  # has no effect if it has ended
        self._process.communicate()

    def stop(self) -> None:
        """Ask it to stop."""
        assert self._process.poll() is None, f"it ended with {self._process.returncode}"
        self._process.send_signal(signal.SIGTERM)

    def result(self) -> str:
        """Wait until it has ended and return the JSON it printed."""
        stdout, stderr = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0, stderr
        return stdout
