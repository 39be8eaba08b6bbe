"""Each alert fires for its real cause: real daemons, a real agent, a real Prometheus."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.deploy.nodes import ARCHIVES, BIN, Node
from tests.deploy.prometheus import running
from tests.loads import Load
from tests.proxy import Proxy, Weather
from tests.running import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.prometheus import Prometheus
    from tests.mounts import Freezable, SmallDisk
    from tests.running import StartLogd

MIB = 1024 * 1024
CALM = Weather(delay=0, split=0, drop=0, reset=0)


def test_a_collector_that_was_ended(node: Node, logd: StartLogd) -> None:
    collector = logd(node.http("logd"))
    node.watch(collector)
    node.wait_for("nodelog_agent_daemon_ready == 1")
    assert collector.stop() == 0
    annotations = node.wait_for_alert("NodelogCollectorNotReady")
    assert annotations["summary"].startswith("logd is not ready")
    collector.restart()
    wait_for(lambda: not node.alerts(), "all alerts go when their cause goes")


def test_a_way_to_the_collector_that_is_gone(node: Node, logd: StartLogd) -> None:
    collector = logd(node.http("logd"))
    with Proxy(collector.port, CALM) as proxy:
        node.watch(collector, port=proxy.port)
        node.wait_for("nodelog_agent_canary_ok == 1")
    node.wait_for_alert("NodelogCanaryFailing")
    assert "NodelogCollectorNotReady" not in node.alerts()


def test_a_disk_that_hangs_while_much_is_sent(freezable: Freezable, node: Node, logd: StartLogd) -> None:
    collector = logd(node.http("logd"), log=freezable.path / "node_log")
    node.watch(collector)
    with Load(collector, "a", pause=0.001), freezable.frozen():
        assert "MiB" in node.wait_for_alert("NodelogHeldBytesGrowing")["summary"]


def test_a_disk_that_hangs_while_little_is_sent(freezable: Freezable, node: Node, logd: StartLogd) -> None:
    collector = logd(node.http("logd"), log=freezable.path / "node_log")
    node.watch(collector)
    with Load(collector, "a", pause=0.2), freezable.frozen():
        node.wait_for_alert("NodelogHeldBytesGrowing")


def test_a_disk_that_fills_up(small_disk: SmallDisk, node: Node, logd: StartLogd) -> None:
    collector = logd(node.http("logd"), log=small_disk.path / "node_log")
    node.watch(collector, "--growth-window=3s")
    with Load(collector, "a", pause=0.1):
        assert str(small_disk.path) in node.wait_for_alert("NodelogDiskFullSoon")["summary"]


def test_a_disk_that_is_full(small_disk: SmallDisk, node: Node, logd: StartLogd) -> None:
    collector = logd(node.http("logd"), log=small_disk.path / "node_log")
    node.watch(collector)
    small_disk.fill()
    assert "full in 0s" in node.wait_for_alert("NodelogDiskFullSoon")["summary"]


LEAKY = """
import sys
from nodelogd.collector import cli, lines
lines.Lines.drop = lambda self, reason: self._forget()
sys.argv = sys.argv[1:]
cli.main()
"""
"""A logd that drops unfinished lines and does not count them."""


def test_a_collector_that_drops_in_silence(node: Node, logd: StartLogd) -> None:
    collector = logd(node.http("logd"), prefix=[sys.executable, "-c", LEAKY])
    node.watch(collector)
    node.wait_for("nodelog_agent_ledger_difference_bytes == 0")
    client = collector.connect()
    client.sendall(b"half a line")
    wait_for(lambda: collector.get_json("/status")[1]["held_bytes"] == 11)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()  # a reset
    node.wait_for("nodelog_agent_ledger_difference_bytes == 11")
    assert "11B" in node.wait_for_alert("NodelogLedgerDifference")["summary"]


def test_a_child_that_cannot_live(node: Node, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        node.agent(
            "run",
            "--program=logd",
            f"--logd-listen=127.0.0.1:{port}",
            f"--logd-{node.http('logd').lstrip('-')}",
            f"--logd-log={tmp_path / 'node_log'}",
        )
        assert "logd was restarted" in node.wait_for_alert("NodelogRestartLoop")["summary"]


def test_a_compressor_that_was_ended(node: Node, tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("a line\n")
    logcd = node.start(BIN / "logcd", f"--dir={tmp_path}", "--every=1s", node.http("logcd"))
    node.agent(
        "watch",
        f"--daemon=logcd={node.shown('logcd')}",
        f"--disk={tmp_path}",
        f"--archives={tmp_path / ARCHIVES}",
        "--archive-every=1s",
    )
    node.wait_for("nodelog_agent_archive_size_bytes > 0")
    assert "NodelogArchiveLate" not in node.alerts()
    assert logcd.stop() == 0
    assert "archive is" in node.wait_for_alert("NodelogArchiveLate")["summary"]


def rot(archive: Path) -> None:
    """Change a bit in the middle of it."""
    damaged = bytearray(archive.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    archive.write_bytes(damaged)


def test_an_archive_that_rots_and_the_agent_notices(node: Node, logd: StartLogd, tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("a line\n" * 1000)
    subprocess.run([BIN / "logcd", "--once", f"--dir={tmp_path}"], check=True)
    node.watch(logd(node.http("logd")), "--verify-every=3s")
    node.wait_for('nodelog_agent_archive_verifications_total{result="ok"} > 0')
    rot(next(tmp_path.glob(ARCHIVES)))
    assert "damaged" in node.wait_for_alert("NodelogScrubFailed")["summary"]


def test_an_archive_that_rots_and_a_scrub_notices(node: Node, tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("a line\n" * 1000)
    node.start(BIN / "logcd", f"--dir={tmp_path}", "--every=500ms", "--scrub=2s", node.http("logcd"))
    node.wait_for('nodelog_archive_scrubs_total{result="clean"} > 0')
    rot(next(tmp_path.glob(ARCHIVES)))
    node.wait_for_alert("NodelogScrubFailed")


def test_an_agent_of_several_that_was_ended(node: Node, logd: StartLogd, prometheus: Prometheus) -> None:
    with Node(prometheus) as other:
        other.start(BIN / "nodeagent", "watch", other.http("nodeagent"), "--tail=127.0.0.1:0")
        other.wait_for("nodelog_agent_ready >= 0")
        agent = node.watch(logd(node.http("logd")))
        wait_for(lambda: "NodelogUnwatched" not in node.alerts())
        assert agent.stop() == 0
        assert node.wait_for_alert("NodelogUnwatched")["summary"] == f"No node agent is scraped on {node.name}"
        assert "NodelogUnwatched" not in other.alerts()


def test_no_agent_at_all(tmp_path: Path) -> None:
    with running(tmp_path / "server") as alone:
        assert alone.wait_for_alert("NodelogUnwatched", "")["summary"] == "No node agent is scraped"
