"""A node on which everything is in use: `nodeagent run` with both daemons, and pods of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.deploy.nodes import BIN
from tests.ports import HOST
from tests.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.nodes import Node
    from tests.deploy.spoken import Spoken

ROOM = 64 * 1024**3
"""Bytes of a disk in memory that is not full soon, whatever is sent; only what is written is taken."""


def furnish(node: Node, folder: Path) -> Spoken:
    """Start all of it in a folder; give the agent, once there was an archive, a probe and a verification."""
    (folder / "log").mkdir()
    agent = node.agent(
        "run",
        f"--logd-listen={HOST}:{node.port}",
        f"--logd-log={folder / 'node_log'}",
        f"--logd-http={node.shown('logd')}",
        f"--logcd-dir={folder / 'log'}",
        "--logcd-every=1s",
        "--logcd-scrub=5s",
        f"--logcd-http={node.shown('logcd')}",
        "--verify-every=5s",
        "--growth-window=30s",
    )
    node.wait_for("nodelog_agent_canary_ok == 1")
    node.start(*_nodelog("greet", "--to=lines", "--every=200ms", f"--host={HOST}", f"--port={node.port}"))
    node.start(*_nodelog("greet", "--to=file", "--every=200ms", f"--file={folder / 'log' / 'greet.log'}"))
    wait_for(lambda: any((folder / "log").glob("all-logs-*.tar.gz")), "an archive")
    node.wait_for('nodelog_agent_archive_verifications_total{result="ok"} > 0')
    return agent


def load(node: Node, rate: int, *options: str) -> Spoken:
    """Have a client send so many lines a second by RELP, whatever happens to the collector."""
    target = (f"--host={HOST}", f"--port={node.port}", "--protocol=relp", "--through-restarts")
    return node.start(*_nodelog("load", *target, "--connections=8", f"--rate={rate}", *options))


def _nodelog(command: str, *options: str) -> tuple[str | Path, ...]:
    return (BIN / "nodelog", command, *options)
