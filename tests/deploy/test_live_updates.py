"""Collectors that are updated, killed, filled and lost with their node, under 20,000 lines a second."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.deploy.docker import BUILD
from tests.deploy.gaps import Caller, share
from tests.deploy.manifests import KUBERNETES, PROGRAMS, loaded
from tests.deploy.shippers import Load, log_of, tellers, wait_for_run, what_was_told
from tests.deploy.three_nodes import NEXT
from tests.loads import sealed_files
from tests.mounts import disk_in_memory
from tests.running import wait_for

from nodelog.load.verify import read_sent, verify

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from typing import Self

    from tests.deploy.gaps import Share
    from tests.deploy.kubelet.cluster import Cluster
    from tests.deploy.kubelet.node import Node
    from tests.deploy.kubelet.pod import Pod
    from tests.mounts import SmallDisk

pytestmark = pytest.mark.timeout(BUILD)

SMALL = 1024**3  # bytes; the loads before it is filled on purpose must not do it, on a slow machine either
KILLED = 137
PLAIN = ["--run=plain", "--rate=1000", "--connections=10", "--write-size=line", "--json"]


@pytest.fixture(scope="module")
def small(cluster: Cluster) -> Generator[SmallDisk]:
    """Have a collector on each node, that of the third on a small file system, and tellers beside them."""
    with disk_in_memory(cluster.nodes[2].disk.place("/var/lib/nodelog"), SMALL) as disk:
        disk.path.chmod(0o755)
        cluster.apply(loaded(KUBERNETES / "logDaemon.yaml"), tellers())
        cluster.rollout_status("ds/logd")
        cluster.rollout_status("ds/teller")
        yield disk
        cluster.delete("ds/teller")
        cluster.delete("ds/logd")
        wait_for(lambda: not cluster.pods(), "they are gone", patience=60)


@pytest.fixture
def nodes(cluster: Cluster, small: SmallDisk) -> list[Node]:
    assert small.path.is_mount()
    return cluster.nodes


def test_a_new_version_loses_doubles_and_tears_nothing(
    cluster: Cluster, nodes: list[Node], capsys: pytest.CaptureFixture[str]
) -> None:
    old = collectors(cluster)
    with ExitStack() as stack:
        load = stack.enter_context(Load(cluster, "image"))
        callers = {node.name: stack.enter_context(Caller(node.address)) for node in nodes}
        cluster.set_image("ds/logd", logd=f"nodelog:{NEXT}", owner=f"nodelog:{NEXT}")
        cluster.rollout_status("ds/logd")
        for node in nodes:
            load.wait_for_more(node)
    assert_proved(load)
    new = collectors(cluster)
    shares = {name: share(callers[name].gaps, old[name].lives[-1], new[name]) for name in old}
    with capsys.disabled():
        sys.stdout.write(table(shares, load.rate))


def test_a_restart_of_all_loses_doubles_and_tears_nothing_and_plain_lines_as_told(
    cluster: Cluster, nodes: list[Node], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = collectors(cluster)
    with ExitStack() as stack:
        plain = [stack.enter_context(PlainLoad(node, tmp_path)) for node in nodes]
        with Load(cluster, "restart") as load:
            cluster.rollout_restart("ds/logd")
            cluster.rollout_status("ds/logd")
            for node in nodes:
                load.wait_for_more(node)
        sent, lost = (sum(counts) for counts in zip(*(one.lost() for one in plain), strict=True))
    assert_proved(load)
    assert [pod.lives[-1].code for pod in old.values()] == [0, 0, 0]
    with capsys.disabled():
        sys.stdout.write(f"\nplain lines lost by a restart of each node's collector: {lost:,} of {sent:,}\n")


def test_a_collector_that_is_killed_at_the_end_of_its_grace_loses_nothing(
    cluster: Cluster, nodes: list[Node]
) -> None:
    pod = cluster.pod(name="logd", on=nodes[0])
    with Load(cluster, "kill") as load:
        pod.signal("STOP")
        cluster.delete_pod(pod, grace=1)
        cluster.rollout_status("ds/logd")
        load.wait_for_more(nodes[0])
    assert pod.lives[-1].code == KILLED
    assert_proved(load)


def test_a_full_disk_of_one_node_is_nothing_to_the_others(
    cluster: Cluster, nodes: list[Node], small: SmallDisk
) -> None:
    full = cluster.pod(name="logd", on=nodes[2])
    with Load(cluster, "full") as load:
        small.fill()
        wait_for(lambda: not full.is_ready, "it is not ready")
        for node in nodes[:2]:
            load.wait_for_more(node)
            assert cluster.pod(name="logd", on=node).is_ready
        small.clear()
        wait_for(lambda: full.is_ready, "it is ready")
        load.wait_for_more(nodes[2])
    assert full.restarts == 0
    assert_proved(load)


def test_a_node_that_dies_comes_back_with_its_lines(cluster: Cluster, nodes: list[Node]) -> None:
    node = nodes[1]
    logd, teller = cluster.pod(name="logd", on=node), cluster.pod(app="teller", on=node)
    before = log_of(node).stat().st_size
    node.die()
    assert cluster.pod(name="logd", on=nodes[0]).is_ready
    node.come_back()
    cluster.rollout_status("ds/logd")
    cluster.rollout_status("ds/teller")
    assert cluster.pod(name="logd", on=node) is logd
    assert [logd.restarts, teller.restarts] == [1, 1]
    wait_for(lambda: log_of(node).stat().st_size > before, "it goes on")


def test_a_collector_with_idle_clients_ends_after_its_linger(
    cluster: Cluster, nodes: list[Node], capsys: pytest.CaptureFixture[str]
) -> None:
    pod = cluster.pod(name="logd", on=nodes[0])
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection((nodes[0].address, 6666)))
        cluster.delete_pod(pod)
    life = pod.lives[-1]
    assert life.code == 0
    assert life.records("50 connections that stayed open were reset")
    with capsys.disabled():
        took = life.ended - (life.asked or 0)
        sys.stdout.write(f"\nSIGTERM to exit with 50 idle clients: {took:.2f} s\n")
    cluster.rollout_status("ds/logd")


def test_whatever_came_over_them_no_line_in_a_spool_is_lost_or_doubled(
    cluster: Cluster, nodes: list[Node]
) -> None:
    found = what_was_told(cluster)
    assert found.keys() == {node.name for node in nodes}
    for told, written in found.values():
        assert told
        assert not told - written
        assert max(written.values()) == 1


class PlainLoad:
    """`nodelog load` of plain lines, from outside of the pods, as a context."""

    def __init__(self, node: Node, folder: Path) -> None:
        """Prepare."""
        self._node = node
        self._sent = folder / f"{node.name}.json"

    def __enter__(self) -> Self:
        """Begin; return once lines arrive."""
        before = log_of(self._node).stat().st_size
        with self._sent.open("w") as sent:
            self._process = subprocess.Popen(
                [PROGRAMS / "nodelog", "load", f"--host={self._node.address}", *PLAIN],
                stdout=sent,
                stderr=subprocess.DEVNULL,
            )
        wait_for_run(self._node, "plain", before)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing running."""
        self._process.kill()  # does nothing once it has ended
        self._process.wait()

    def lost(self) -> tuple[int, int]:
        """End it; say how many lines it sent and how many of them are lost. None may be torn or doubled."""
        self._process.terminate()
        assert self._process.wait(60) == 0
        run, sent, _ = read_sent(self._sent.read_text())
        log = log_of(self._node)
        found = verify(run, [*sealed_files(log), log], sent, lambda _path, _size: None)
        assert (found.account.doubled.lines, found.torn) == (0, 0)
        return sum(sent.values()), found.account.lost.lines


def collectors(cluster: Cluster) -> dict[str, Pod]:
    return {node.name: cluster.pod(name="logd", on=node) for node in cluster.nodes}


def assert_proved(load: Load) -> None:
    for node, found in load.verdicts.items():
        assert found.is_good, (node, found)
        assert found.account.received == load.sent[node] > 0
    assert len(load.verdicts) == 3


def table(shares: dict[str, Share], rate: float) -> str:
    """Give the rows for people."""
    rows = ["", "| node | gap, s | drain | runtime | start | drain and start |", "|---|---|---|---|---|---|"]
    for name, one in shares.items():
        times = (one.whole, one.drain, one.between, one.start, one.ours)
        rows.append(f"| {name} | {' | '.join(f'{seconds:.2f}' for seconds in times)} |")
    return "\n".join([*rows, f"at {rate:,.0f} lines/s, acknowledged", ""])
