"""Collectors are updated, killed, filled up and lost with their node, under 20,000 lines a second."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.deploy.cluster_load import Load, PlainLoad, pipe_pods, stop_pipe_pods
from tests.deploy.connection_gaps import ConnectionPoller, break_down
from tests.deploy.docker import BUILD_TIMEOUT
from tests.deploy.kubelet.cluster_waiting import wait_for
from tests.deploy.manifests import KUBERNETES, loaded
from tests.deploy.three_nodes import NEXT_VERSION
from tests.faults.mounts import disk_in_memory

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.deploy.connection_gaps import GapBreakdown
    from tests.deploy.kubelet.cluster import Cluster
    from tests.deploy.kubelet.node import Node
    from tests.deploy.kubelet.pod import Pod
    from tests.faults.mounts import SmallDisk

pytestmark = pytest.mark.timeout(BUILD_TIMEOUT)

SMALL_DISK = (
    1024**3
)  # bytes; the loads before the test that fills it must not fill it, even on a slow machine
SPARE = SMALL_DISK // 32
KILLED = 137
HANG = "import os, signal; os.kill(-1, signal.SIGSTOP)"  # all but PID 1, which only passes signals on


@pytest.fixture(scope="module")
def small(cluster: Cluster) -> Generator[SmallDisk]:
    """Start a collector on each node, the third on a small file system, and a `nodelog pipe` beside each."""
    with disk_in_memory(cluster.nodes[2].disk.path("/var/lib/nodelog"), SMALL_DISK) as disk:
        disk.path.chmod(0o755)
        cluster.apply(loaded(KUBERNETES / "logDaemon.yaml"), pipe_pods())
        cluster.rollout_status("ds/logd")
        cluster.rollout_status("ds/pipe")
        yield disk
        cluster.delete("ds/pipe")
        cluster.delete("ds/logd")
        wait_for(lambda: not cluster.pods(), "all pods are gone")


@pytest.fixture
def nodes(cluster: Cluster, small: SmallDisk) -> list[Node]:
    assert small.path.is_mount()
    return cluster.nodes


def hang(pod: Pod) -> None:
    """Stop the program of a pod, as if it hung."""
    done = pod.exec("python3", "-c", HANG)
    assert done.returncode == 0, done


def test_a_new_version_loses_doubles_and_tears_nothing(
    cluster: Cluster, nodes: list[Node], capsys: pytest.CaptureFixture[str]
) -> None:
    old = collectors(cluster)
    with ExitStack() as stack:
        load = stack.enter_context(Load(cluster, "image"))
        pollers = {node.name: stack.enter_context(ConnectionPoller(node.address)) for node in nodes}
        cluster.set_image("ds/logd", logd=f"nodelog:{NEXT_VERSION}", owner=f"nodelog:{NEXT_VERSION}")
        cluster.rollout_status("ds/logd")
        for node in nodes:
            load.wait_for_more(node)
    assert_complete(load)
    new = collectors(cluster)
    gaps = {name: break_down(pollers[name].gaps, old[name].runs[-1], new[name]) for name in old}
    with capsys.disabled():
        sys.stdout.write(format_table(gaps, load.rate))


def test_a_restart_of_all_loses_doubles_and_tears_nothing_but_plain_lines(
    cluster: Cluster, nodes: list[Node], capsys: pytest.CaptureFixture[str]
) -> None:
    old = collectors(cluster)
    with ExitStack() as stack:
        plain = [stack.enter_context(PlainLoad(node)) for node in nodes]
        with Load(cluster, "restart") as load:
            cluster.rollout_restart("ds/logd")
            cluster.rollout_status("ds/logd")
            for node in nodes:
                load.wait_for_more(node)
        sent, lost = (sum(counts) for counts in zip(*(one.stop_and_count() for one in plain), strict=True))
    assert_complete(load)
    assert [pod.runs[-1].exit_code for pod in old.values()] == [0, 0, 0]
    with capsys.disabled():
        sys.stdout.write(f"\nplain lines lost by a restart of each node's collector: {lost:,} of {sent:,}\n")


def test_a_collector_that_is_killed_at_the_end_of_its_grace_loses_nothing(
    cluster: Cluster, nodes: list[Node]
) -> None:
    pod = cluster.pod(name="logd", on=nodes[0])
    with Load(cluster, "kill") as load:
        hang(pod)
        cluster.delete_pod(pod, grace=1)
        cluster.rollout_status("ds/logd")
        load.wait_for_more(nodes[0])
    assert pod.runs[-1].exit_code == KILLED
    assert_complete(load)


def test_a_full_disk_on_one_node_does_not_affect_the_others(
    cluster: Cluster, nodes: list[Node], small: SmallDisk
) -> None:
    full = cluster.pod(name="logd", on=nodes[2])
    with Load(cluster, "full") as load:
        small.fill(but=SPARE)  # the slow part, before racing the collector for the rest
        small.fill()
        wait_for(lambda: not full.is_ready, "the collector is not ready")
        for node in nodes[:2]:
            load.wait_for_more(node)
            assert cluster.pod(name="logd", on=node).is_ready
        small.clear()
        wait_for(lambda: full.is_ready, "the collector is ready")
        load.wait_for_more(nodes[2])
    assert full.restarts == 0
    assert_complete(load)


def test_a_node_that_dies_loses_nothing_and_does_not_affect_the_others(
    cluster: Cluster, nodes: list[Node]
) -> None:
    first, node, third = nodes
    logd, pipe = cluster.pod(name="logd", on=node), cluster.pod(app="pipe", on=node)
    with Load(cluster, "death", outside=[node]) as load:
        node.power_off()
        for other in (first, third):
            load.wait_for_more(other)
            assert cluster.pod(name="logd", on=other).is_ready
        node.power_on()
        cluster.rollout_status("ds/logd")
        cluster.rollout_status("ds/pipe")
        load.wait_for_more(node)
    assert cluster.pod(name="logd", on=node) is logd
    assert [logd.restarts, pipe.restarts] == [1, 1]
    assert_complete(load)


def test_a_collector_that_hangs_is_restarted_by_its_probe_and_loses_nothing(
    cluster: Cluster, nodes: list[Node]
) -> None:
    pod = cluster.pod(name="logd", on=nodes[0])
    with Load(cluster, "hang") as load:
        hang(pod)
        wait_for(lambda: pod.restarts == 1 and pod.is_ready, "the collector was restarted")
        load.wait_for_more(nodes[0])
    assert pod.runs[-1].exit_code == KILLED
    assert "liveness" in pod.reason
    assert_complete(load)


def test_a_collector_with_idle_clients_ends_after_its_linger(
    cluster: Cluster, nodes: list[Node], capsys: pytest.CaptureFixture[str]
) -> None:
    pod = cluster.pod(name="logd", on=nodes[0])
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection((nodes[0].address, 6666)))
        cluster.delete_pod(pod)
    run = pod.runs[-1]
    assert run.exit_code == 0
    assert run.records("50 connections that stayed open were reset")
    with capsys.disabled():
        took = run.ended - (run.stopped_at or 0)
        sys.stdout.write(f"\nSIGTERM to exit with 50 idle clients: {took:.2f} s\n")
    cluster.rollout_status("ds/logd")


def test_after_all_of_this_no_line_in_a_spool_is_lost_or_doubled(cluster: Cluster, nodes: list[Node]) -> None:
    found = stop_pipe_pods(cluster)
    assert found.keys() == {node.name for node in nodes}
    for printed, written in found.values():
        assert printed
        assert not printed - written
        assert max(written.values()) == 1


def collectors(cluster: Cluster) -> dict[str, Pod]:
    return {node.name: cluster.pod(name="logd", on=node) for node in cluster.nodes}


def assert_complete(load: Load) -> None:
    for node, found in load.verdicts.items():
        assert found.is_good, (node, found)
        assert found.counts.received == load.sent[node] > 0
    assert len(load.verdicts) == 3


def format_table(gaps: dict[str, GapBreakdown], rate: float) -> str:
    """Return a table for people."""
    rows = ["", "| node | gap, s | drain | runtime | start | drain and start |", "|---|---|---|---|---|---|"]
    for name, one in gaps.items():
        times = (one.total, one.drain, one.runtime, one.start, one.ours)
        rows.append(f"| {name} | {' | '.join(f'{seconds:.2f}' for seconds in times)} |")
    return "\n".join([*rows, f"at {rate:,.0f} lines/s, acknowledged", ""])
