"""Each alert fires for its real cause: real daemons, a real agent, a real Prometheus."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.deploy.monitored_node import ARCHIVES, BIN, Node
from tests.deploy.prometheus import running
from tests.faults.faulty_proxy import FaultyProxy, NetworkFaults
from tests.faults.mounts import disk_in_memory
from tests.numbered_lines import LineSender
from tests.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.prometheus import Prometheus
    from tests.faults.mounts import FreezableDisk, SmallDisk
    from tests.processes.logd import StartLogd

MIB = 1024 * 1024
CALM = NetworkFaults(delay=0, split=0, drop=0, reset=0)


def test_alerts_when_the_network_then_the_collector_then_the_agent_fails(
    node: Node, logd: StartLogd, prometheus: Prometheus
) -> None:
    collector = logd(node.http_option("logd"))
    with Node(prometheus) as other:
        other.watch_disk(collector.log.parent)
        with FaultyProxy(collector.port, CALM) as proxy:
            agent = node.watch(collector, port=proxy.port)
            node.wait_for("nodelog_agent_canary_ok == 1")
        node.wait_for_alert("NodelogCanaryFailing")
        assert "NodelogCollectorNotReady" not in node.alerts()
        assert collector.stop() == 0
        node.wait_for_alert("NodelogCollectorNotReady", "logd is not ready")
        collector.restart()
        wait_for(
            lambda: node.alerts() == {"NodelogCanaryFailing"}, "an alert is resolved once its cause is gone"
        )
        assert agent.stop() == 0
        node.wait_for_alert("NodelogUnwatched", f"No node agent is scraped on {node.name}")
        wait_for(lambda: "NodelogUnwatched" not in other.alerts(), "the other node still has its agent")


def test_an_alert_without_any_agent(tmp_path: Path) -> None:
    with running(tmp_path / "server") as alone:
        alone.wait_for_alert("NodelogUnwatched", "", "No node agent is scraped")


def test_an_alert_for_a_hanging_disk_with_little_and_with_much_traffic(
    freezable: FreezableDisk, node: Node, logd: StartLogd
) -> None:
    collector = logd(node.http_option("logd"), log=freezable.path / "node_log")
    node.watch(collector)
    with LineSender(collector, "a", pause=0.2), freezable.frozen():
        node.wait_for_alert("NodelogHeldBytesGrowing")
    wait_for(lambda: "NodelogHeldBytesGrowing" not in node.alerts(), "writing has resumed")
    with LineSender(collector, "b", pause=0.001), freezable.frozen():
        node.wait_for_alert("NodelogHeldBytesGrowing", "MiB")


def test_an_alert_for_a_disk_that_fills_up_slowly_or_at_once(
    small_disk: SmallDisk, node: Node, logd: StartLogd
) -> None:
    collector = logd(node.http_option("logd"), log=small_disk.path / "node_log")
    node.watch(collector, "--growth-window=12s")
    with LineSender(collector, "a", pause=0.1):
        node.wait_for_alert("NodelogDiskFullSoon", str(small_disk.path))
    small_disk.fill()
    node.wait_for_alert("NodelogDiskFullSoon", "full in 0s")


def test_an_alert_for_a_disk_that_runs_out_of_inodes(node: Node, tmp_path: Path) -> None:
    path, numbers = tmp_path / "many", itertools.count()
    with disk_in_memory(path, MIB, "nr_inodes=50k"):
        node.watch_disk(path, "--growth-window=12s")

        def is_forecast() -> bool:
            (path / str(next(numbers))).touch()
            return "NodelogDiskFullSoon" in node.alerts("firing")

        wait_for(is_forecast)


UNCOUNTED_DROPS = """
import sys
from nodelogd.collector import cli
from nodelogd.collector.network.line_connection import LineConnection
LineConnection.drop_unfinished = lambda self, reason: self._clear_unfinished()
sys.argv = sys.argv[1:]
cli.main()
"""
"""A logd that drops unfinished lines without counting them."""


def test_an_alert_for_a_collector_that_drops_bytes_silently(node: Node, logd: StartLogd) -> None:
    collector = logd(node.http_option("logd"), prefix=[sys.executable, "-c", UNCOUNTED_DROPS])
    node.watch(collector)
    node.wait_for("nodelog_agent_ledger_difference_bytes == 0")
    client = collector.connect()
    client.sendall(b"half a line")
    wait_for(lambda: collector.get_json("/status")[1]["held_bytes"] == 11)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()  # a reset
    node.wait_for("nodelog_agent_ledger_difference_bytes == 11")
    node.wait_for_alert("NodelogLedgerDifference", "11B")


def test_an_alert_for_a_child_that_cannot_start(node: Node, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        node.start_agent(
            "run",
            "--program=logd",
            f"--logd-listen=127.0.0.1:{port}",
            f"--logd-{node.http_option('logd').lstrip('-')}",
            f"--logd-log={tmp_path / 'node_log'}",
        )
        node.wait_for_alert("NodelogRestartLoop", "logd was restarted")


def corrupt(archive: Path) -> None:
    """Flip a bit in the middle of it."""
    damaged = bytearray(archive.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    archive.write_bytes(damaged)


def test_alerts_for_a_corrupt_archive_and_a_stopped_compressor(node: Node, tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("a line\n" * 1000)
    logcd = node.start(
        BIN / "logcd", f"--dir={tmp_path}", "--every=500ms", "--scrub=1s", node.http_option("logcd")
    )
    archives = (f"--archives={tmp_path / ARCHIVES}", "--archive-every=1s")
    node.watch_disk(tmp_path, f"--daemon=logcd={node.http_address('logcd')}", *archives)
    node.wait_for('nodelog_archive_scrubs_total{result="clean"} > 0')
    wait_for(
        lambda: "NodelogArchiveLate" not in node.alerts(), "the archive is not late while cycles succeed"
    )
    corrupt(next(tmp_path.glob(ARCHIVES)))
    node.wait_for_alert("NodelogScrubFailed")
    assert logcd.stop() == 0
    node.wait_for_alert("NodelogArchiveLate", "archive is")


def test_an_alert_for_a_corrupt_archive_that_the_agent_finds(node: Node, tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("a line\n" * 1000)
    subprocess.run([BIN / "logcd", "--once", f"--dir={tmp_path}"], check=True)
    node.watch_disk(tmp_path, f"--archives={tmp_path / ARCHIVES}", "--archive-every=1h", "--verify-every=1s")
    node.wait_for('nodelog_agent_archive_verifications_total{result="ok"} > 0')
    corrupt(next(tmp_path.glob(ARCHIVES)))
    node.wait_for_alert("NodelogScrubFailed", "damaged")
