"""Loads for all nodes of a cluster, and the proof that each line is in the log of its node exactly once."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from tests.deploy.kubelet.cluster_waiting import wait_for
from tests.deploy.load_senders import HOST_IP, IMAGE, POD_DEFAULTS, OutsideSender, PodSender
from tests.numbered_lines import sealed_files

from nodelog.load.verifier.verdict import Verdict, parse_sent, verify

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path
    from typing import Self

    from tests.deploy.kubelet.cluster import Cluster
    from tests.deploy.kubelet.node import Node
    from tests.deploy.load_senders import Sender

RATE = 20_000
"""Lines per second, of all nodes."""
LOAD_OPTIONS = ["--protocol=relp", "--through-restarts", "--connections=8", "--write-size=1KiB"]
NUMBERED_LINES = """
name=$HOSTNAME-$(date +%s%N) number=0
until [ -e /var/spool/nodelog/end ]; do
    number=$((number + 1)); echo "$name $number"; sleep 0.05
done | nodelog pipe --tee --spool=/var/spool/nodelog/pipe.spool
"""


def log_of(node: Node) -> Path:
    """Return the log of a node."""
    return node.disk.path("/var/lib/nodelog/node_log")


def wait_for_run(node: Node, run: str, since: int) -> None:
    """Wait until lines of a run of `nodelog load` are in the log of a node after its first `since` bytes."""

    def arrived() -> bool:
        with suppress(FileNotFoundError), log_of(node).open("rb") as log:  # the log is being sealed
            is_same = os.fstat(log.fileno()).st_size >= since
            log.seek(since if is_same else 0)
            return f"<{run} ".encode() in log.read()
        return False

    wait_for(arrived, f"lines of {run} arrive on {node.name}")


class Load:
    """`nodelog load` to each node by RELP while the block runs; afterwards every line is searched for."""

    def __init__(self, cluster: Cluster, name: str, *, outside: Collection[Node] = ()) -> None:
        """Prepare; nodes in `outside` are sent to from outside, the others from a pod on each."""
        self._nodes = cluster.nodes
        self._name = name
        options = [*LOAD_OPTIONS, f"--rate={RATE // len(cluster.nodes)}"]
        self._senders: list[Sender] = [
            OutsideSender(node, name, *options)
            if node in outside
            else PodSender(cluster, node, name, *options)
            for node in cluster.nodes
        ]
        self._stack = ExitStack()
        self.verdicts: dict[str, Verdict] = {}
        """The results by node."""
        self.sent: Counter[str] = Counter()
        self.rate = 0.0
        """Lines per second, of all nodes."""

    def __enter__(self) -> Self:
        """Start; return once lines arrive on each node."""
        before = {node.name: log_of(node).stat().st_size for node in self._nodes}
        with ExitStack() as stack:
            for sender in self._senders:
                stack.enter_context(sender)
            for node in self._nodes:
                wait_for_run(node, self._name, before[node.name])
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop, and verify the lines unless the block failed."""
        with self._stack:
            if kind is None:
                for sender in self._senders:
                    sender.stop()
                for sender in self._senders:
                    self._verify(sender.node, sender.result())

    def wait_for_more(self, node: Node) -> None:
        """Wait until more lines arrive on a node."""
        wait_for_run(node, self._name, log_of(node).stat().st_size)

    def _verify(self, node: Node, result: str) -> None:
        self.verdicts[node.name], unsettled = verify_lines(node, result)
        assert not unsettled
        self.sent[node.name] = json.loads(result)["lines"]
        self.rate += json.loads(result)["lines_per_second"]


class PlainLoad:
    """`nodelog load` of plain lines to a node, from outside, while the block runs."""

    def __init__(self, node: Node) -> None:
        """Prepare; the block starts it."""
        self._sender = OutsideSender(node, "plain", "--rate=1000", "--connections=10", "--write-size=line")

    def __enter__(self) -> Self:
        """Start; return once lines arrive."""
        before = log_of(self._sender.node).stat().st_size
        with ExitStack() as stack:
            stack.enter_context(self._sender)
            wait_for_run(self._sender.node, "plain", before)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it if it still runs."""
        self._stack.close()

    def stop_and_count(self) -> tuple[int, int]:
        """Stop it; return how many lines it sent and how many are lost. None may be torn or doubled."""
        self._sender.stop()
        found, _ = verify_lines(self._sender.node, self._sender.result())
        assert (found.counts.doubled.lines, found.torn) == (0, 0)
        return found.counts.received + found.counts.lost.lines, found.counts.lost.lines


def verify_lines(node: Node, result: str) -> tuple[Verdict, dict[int, int]]:
    """Search for the lines of a load in the files of its node; return also the lines left unsettled."""
    run, sent, unsettled = parse_sent(result)
    log = log_of(node)
    return verify(run, [*sealed_files(log), log], sent, lambda _path, _size: None, unsettled), unsettled


def pipe_pods() -> dict[str, Any]:
    """Return a DaemonSet of pods that send numbered lines by `nodelog pipe`, with a spool on the node's disk.

    A line that such a pod prints was in its spool, and no line is sent twice in all its runs.
    """
    container = {
        "name": "pipe",
        "image": IMAGE,
        "command": ["sh", "-c", NUMBERED_LINES],
        "env": [HOST_IP],
        "securityContext": {"runAsUser": 65532, "readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "spool", "mountPath": "/var/spool/nodelog"}],
    }
    volumes = [{"name": "spool", "emptyDir": {}}]
    spec = {**POD_DEFAULTS, "terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "pipe"},
        "spec": {
            "selector": {"matchLabels": {"app": "pipe"}},
            "template": {"metadata": {"labels": {"app": "pipe"}}, "spec": spec},
        },
    }


def stop_pipe_pods(cluster: Cluster) -> dict[str, tuple[Counter[str], Counter[str]]]:
    """Stop these pods; return, by node, the lines that they printed and their lines in its log."""
    found = {}
    for pod in cluster.pods(app="pipe"):
        pod.exec("touch", "/var/spool/nodelog/end")
        wait_for(lambda pod=pod: any(not run.exit_code for run in pod.runs), f"{pod.name} has ended")  # type: ignore[misc] # its default
        printed = Counter(line for run in pod.runs for line in run.stdout.splitlines())
        log = log_of(pod.node)
        text = "".join(path.read_text(errors="replace") for path in [*sealed_files(log), log])
        written = Counter(re.findall(rf"^{pod.name}-\d+ \d+$", text, re.MULTILINE))
        found[pod.node.name] = printed, written
    return found
