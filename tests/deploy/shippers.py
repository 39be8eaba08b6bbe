"""Senders on all nodes of a cluster, and the proof: each line once, in the file of its node."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.loads import sealed_files
from tests.running import wait_for

from nodelog import __version__
from nodelog.load.verify import Verdict, read_sent, verify

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from tests.deploy.kubelet.cluster import Cluster
    from tests.deploy.kubelet.node import Node

RATE = 20_000
"""Lines per second, of all nodes."""
IMAGE = f"nodelog:{__version__}"
HOST_IP = {"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}
NOTHING_MORE = {"automountServiceAccountToken": False, "enableServiceLinks": False}
TELLING = """
name=$HOSTNAME-$(date +%s%N) number=0
until [ -e /var/spool/nodelog/end ]; do
    number=$((number + 1)); echo "$name $number"; sleep 0.05
done | nodelog pipe --tee --spool=/var/spool/nodelog/told.spool
"""


def log_of(node: Node) -> Path:
    """Say where the lines of a node are."""
    return node.disk.place("/var/lib/nodelog/node_log")


def wait_for_run(node: Node, run: str, since: int) -> None:
    """Return once lines of a run of `nodelog load` are in the file of a node, behind so many bytes."""

    def arrived() -> bool:
        with log_of(node).open("rb") as log:
            log.seek(since)
            return f"<{run} ".encode() in log.read()

    wait_for(arrived, f"lines of {run} arrive on {node.name}")


class Load:
    """`nodelog load` on each node, RELP, as a context: at its end every line is looked for."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        """Prepare."""
        self._cluster = cluster
        self._name = name
        self.verdicts: dict[str, Verdict] = {}
        """By node."""
        self.sent: Counter[str] = Counter()
        self.rate = 0.0
        """Lines per second, of all nodes."""

    def __enter__(self) -> Self:
        """Begin; return once lines of each node arrive."""
        before = {node.name: log_of(node).stat().st_size for node in self._cluster.nodes}
        for node in self._cluster.nodes:
            self._cluster.apply(self._pod(node))
        for node in self._cluster.nodes:
            wait_for_run(node, self._name, before[node.name])
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End, and prove."""
        try:
            if kind is None:
                self._end()
        finally:
            for pod in self._cluster.pods(app="load"):
                self._cluster.delete_pod(pod, grace=0)
                self._cluster.delete(f"pod/{pod.name}")

    def wait_for_more(self, node: Node) -> None:
        """Return once more lines than now are in the file of a node."""
        wait_for_run(node, self._name, log_of(node).stat().st_size)

    def _end(self) -> None:
        pods = self._cluster.pods(app="load")
        for pod in pods:
            assert pod.phase == "Running", (pod.phase, pod.lives, pod.reason)
            pod.signal("TERM")
        for pod in pods:
            wait_for(lambda pod=pod: pod.phase != "Running", f"{pod.name} has ended", patience=90)  # type: ignore[misc] # its default
            assert pod.phase == "Succeeded", pod.lives[-1].said
            self._prove(pod.node, pod.lives[-1].printed)

    def _prove(self, node: Node, told: str) -> None:
        run, sent, unsettled = read_sent(told)
        log = log_of(node)
        found = verify(run, [*sealed_files(log), log], sent, lambda _path, _size: None, unsettled)
        assert not unsettled
        self.verdicts[node.name] = found
        self.sent[node.name] = json.loads(told)["lines"]
        self.rate += json.loads(told)["lines_per_second"]

    def _pod(self, node: Node) -> dict[str, Any]:
        rate = RATE // len(self._cluster.nodes)
        container = {
            "name": "load",
            "image": IMAGE,
            "command": ["nodelog", "load", "--protocol=relp", "--through-restarts", "--json"],
            "args": [f"--run={self._name}", f"--rate={rate}", "--connections=8", "--write-size=1KiB"],
            "env": [HOST_IP],
            "resources": {"requests": {"cpu": "50m"}},
        }
        spec = {"restartPolicy": "Never", "nodeSelector": {"kubernetes.io/hostname": node.name}}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"load-{self._name}-{node.name}", "labels": {"app": "load"}},
            "spec": {**NOTHING_MORE, **spec, "containers": [container]},
        }


def tellers() -> dict[str, Any]:
    """Give a DaemonSet of pods that tell numbered lines to `nodelog pipe`, on a spool of the node's disk.

    A line that such a pod prints was in its spool, and no line is told twice in all its lives.
    """
    container = {
        "name": "teller",
        "image": IMAGE,
        "command": ["sh", "-c", TELLING],
        "env": [HOST_IP],
        "securityContext": {"runAsUser": 65532, "readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "spool", "mountPath": "/var/spool/nodelog"}],
    }
    volumes = [{"name": "spool", "emptyDir": {}}]
    spec = {**NOTHING_MORE, "terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "teller"},
        "spec": {
            "selector": {"matchLabels": {"app": "teller"}},
            "template": {"metadata": {"labels": {"app": "teller"}}, "spec": spec},
        },
    }


def what_was_told(cluster: Cluster) -> dict[str, tuple[Counter[str], Counter[str]]]:
    """End the tellers; give, by node, the lines that they printed and the lines of theirs in its file."""
    found = {}
    for pod in cluster.pods(app="teller"):
        pod.exec("touch", "/var/spool/nodelog/end")
        wait_for(lambda pod=pod: any(not life.code for life in pod.lives), f"{pod.name} is through")  # type: ignore[misc] # its default
        told = Counter(line for life in pod.lives for line in life.printed.splitlines())
        log = log_of(pod.node)
        text = "".join(path.read_text(errors="replace") for path in [*sealed_files(log), log])
        written = Counter(re.findall(rf"^{pod.name}-\d+ \d+$", text, re.MULTILINE))
        found[pod.node.name] = told, written
    return found
