"""Loads for all nodes of a cluster, and the proof: each line once, in the file of its node."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from tests.deploy.kubelet.waiting import wait_for
from tests.deploy.senders import HOST_IP, IMAGE, NOTHING_MORE, Inside, Outside
from tests.numbered_lines import sealed_files

from nodelog.load.verifier.verdict import Verdict, parse_sent, verify

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path
    from typing import Self

    from tests.deploy.kubelet.cluster import Cluster
    from tests.deploy.kubelet.node import Node
    from tests.deploy.senders import Sender

RATE = 20_000
"""Lines per second, of all nodes."""
SHIPPING = ["--protocol=relp", "--through-restarts", "--connections=8", "--write-size=1KiB"]
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
        with suppress(FileNotFoundError), log_of(node).open("rb") as log:  # it is being sealed
            is_same = os.fstat(log.fileno()).st_size >= since
            log.seek(since if is_same else 0)
            return f"<{run} ".encode() in log.read()
        return False

    wait_for(arrived, f"lines of {run} arrive on {node.name}")


class Load:
    """`nodelog load` to each node, RELP, as a context: at its end every line is looked for."""

    def __init__(self, cluster: Cluster, name: str, *, outside: Collection[Node] = ()) -> None:
        """Prepare; to the nodes in `outside` from outside of them, to the others from a pod on each."""
        self._nodes = cluster.nodes
        self._name = name
        options = [*SHIPPING, f"--rate={RATE // len(cluster.nodes)}"]
        self._senders: list[Sender] = [
            Outside(node, name, *options) if node in outside else Inside(cluster, node, name, *options)
            for node in cluster.nodes
        ]
        self._stack = ExitStack()
        self.verdicts: dict[str, Verdict] = {}
        """By node."""
        self.sent: Counter[str] = Counter()
        self.rate = 0.0
        """Lines per second, of all nodes."""

    def __enter__(self) -> Self:
        """Begin; return once lines of each node arrive."""
        before = {node.name: log_of(node).stat().st_size for node in self._nodes}
        with ExitStack() as stack:
            for sender in self._senders:
                stack.enter_context(sender)
            for node in self._nodes:
                wait_for_run(node, self._name, before[node.name])
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End, and prove."""
        with self._stack:
            if kind is None:
                for sender in self._senders:
                    sender.end()
                for sender in self._senders:
                    self._prove(sender.node, sender.told())

    def wait_for_more(self, node: Node) -> None:
        """Return once more lines than now are in the file of a node."""
        wait_for_run(node, self._name, log_of(node).stat().st_size)

    def _prove(self, node: Node, told: str) -> None:
        self.verdicts[node.name], unsettled = verdict(node, told)
        assert not unsettled
        self.sent[node.name] = json.loads(told)["lines"]
        self.rate += json.loads(told)["lines_per_second"]


class PlainLoad:
    """`nodelog load` of plain lines to a node, from outside, as a context."""

    def __init__(self, node: Node) -> None:
        """Prepare."""
        self._sender = Outside(node, "plain", "--rate=1000", "--connections=10", "--write-size=line")

    def __enter__(self) -> Self:
        """Begin; return once lines arrive."""
        before = log_of(self._sender.node).stat().st_size
        with ExitStack() as stack:
            stack.enter_context(self._sender)
            wait_for_run(self._sender.node, "plain", before)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing running."""
        self._stack.close()

    def lost(self) -> tuple[int, int]:
        """End it; say how many lines it sent and how many of them are lost. None may be torn or doubled."""
        self._sender.end()
        found, _ = verdict(self._sender.node, self._sender.told())
        assert (found.counts.doubled.lines, found.torn) == (0, 0)
        return found.counts.received + found.counts.lost.lines, found.counts.lost.lines


def verdict(node: Node, told: str) -> tuple[Verdict, dict[int, int]]:
    """Look for the lines of a load in the files of its node; give also what it leaves unsettled."""
    run, sent, unsettled = parse_sent(told)
    log = log_of(node)
    return verify(run, [*sealed_files(log), log], sent, lambda _path, _size: None, unsettled), unsettled


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
