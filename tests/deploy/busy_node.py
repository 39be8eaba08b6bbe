"""A node that uses everything: `nodeagent run` with both daemons, and clients of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.deploy.monitored_node import BIN
from tests.ports import HOST
from tests.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.json_process import JsonProcess
    from tests.deploy.monitored_node import Node

DISK_SIZE = 64 * 1024**3
"""Bytes of a disk in memory that will not fill up, whatever is sent; only what is written takes memory."""


def start_everything(node: Node, folder: Path) -> JsonProcess:
    """Start it all in a folder; return the agent once there is an archive, a probe and a verification."""
    (folder / "log").mkdir()
    agent = node.start_agent(
        "run",
        f"--logd-listen={HOST}:{node.port}",
        f"--logd-log={folder / 'node_log'}",
        f"--logd-http={node.http_address('logd')}",
        f"--logcd-dir={folder / 'log'}",
        "--logcd-every=1s",
        "--logcd-scrub=5s",
        f"--logcd-http={node.http_address('logcd')}",
        "--verify-every=5s",
        "--growth-window=30s",
    )
    node.wait_for("nodelog_agent_canary_ok == 1")
    node.start(*_nodelog("greet", "--to=lines", "--every=200ms", f"--host={HOST}", f"--port={node.port}"))
    node.start(*_nodelog("greet", "--to=file", "--every=200ms", f"--file={folder / 'log' / 'greet.log'}"))
    wait_for(lambda: any((folder / "log").glob("all-logs-*.tar.gz")), "an archive")
    node.wait_for('nodelog_agent_archive_verifications_total{result="ok"} > 0')
    return agent


def start_load(node: Node, rate: int, *options: str) -> JsonProcess:
    """Start a client that sends `rate` lines a second by RELP, through restarts of the collector."""
    target = (f"--host={HOST}", f"--port={node.port}", "--protocol=relp", "--through-restarts")
    return node.start(*_nodelog("load", *target, "--connections=8", f"--rate={rate}", *options))


def _nodelog(command: str, *options: str) -> tuple[str | Path, ...]:
    return (BIN / "nodelog", command, *options)
