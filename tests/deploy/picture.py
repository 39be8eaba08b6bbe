"""A minute and a half of a node, scraped by a real Prometheus, drawn as the dashboard shows it.

    python -m tests.deploy.picture [--out docs/pictures/dashboard.svg] [--for 90]

It needs Prometheus (Debian: prometheus), and root, for a disk of its own. At a fifth of the time the
collector is killed, at two fifths the load is twenty times as high for a while, at two thirds the compressor
is stopped for some seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

from tests.deploy import scene
from tests.deploy.dashboard import panels
from tests.deploy.drawing import Curve, drawing
from tests.deploy.nodes import Node
from tests.deploy.prometheus import EVERY, running
from tests.faults.mounts import disk_in_memory
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.deploy.dashboard import Panel
    from tests.deploy.prometheus import Prometheus

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "dashboard.svg"
RATES = "3s"


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.picture")
    parser.add_argument("--out", type=Path, default=PICTURE, help="where to (%(default)s)")
    parser.add_argument("--for", type=float, default=90, dest="seconds", help="how long (%(default)s s)")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        prometheus = stack.enter_context(running(folder / "server"))
        disk = stack.enter_context(disk_in_memory(folder / "node", scene.ROOM))
        node = stack.enter_context(Node(prometheus))
        scene.furnish(node, disk.path)
        begin = time.time()
        live(node, given.seconds)
        text = shown(prometheus, node.name, begin, time.time())
        given.out.write_text(text.replace(str(folder), ""))


def live(node: Node, seconds: float) -> None:
    """Have something happen for so long."""
    scene.load(node, 1000)
    begin = time.monotonic()

    def until(part: float) -> None:
        time.sleep(max(0.0, begin + part * seconds - time.monotonic()))

    until(1 / 5)
    os.kill(process(node, "logd"), signal.SIGKILL)
    until(2 / 5)
    scene.load(node, 20_000, f"--duration={seconds / 6:.0f}s")
    until(2 / 3)
    logcd = process(node, "logcd")
    os.kill(logcd, signal.SIGSTOP)
    until(4 / 5)
    os.kill(logcd, signal.SIGCONT)
    until(1)


def process(node: Node, child: str) -> int:
    """Give the number of a child of the agent, which it shows."""
    connection = HTTPConnection(node.shown("nodeagent"), timeout=PATIENCE)
    try:
        connection.request("GET", "/status")
        return int(json.load(connection.getresponse())["children"][child]["process"])
    finally:
        connection.close()


def shown(prometheus: Prometheus, node: str, begin: float, end: float) -> str:
    """Draw what Prometheus knows of that time."""

    def curves(panel: Panel) -> list[Curve]:
        return [
            Curve(
                query.name(series.labels | {"node": ""}).strip(),
                [(at - begin, value) for at, value in series.points],
            )
            for query in panel.queries
            for series in prometheus.query_range(query.filled(node, RATES), begin, end, 2 * EVERY)
        ]

    title = "A node of nodelog: logd killed, a burst of lines, logcd stopped for a while"
    return drawing(title, [(panel, curves(panel)) for panel in panels()], end - begin)


if __name__ == "__main__":
    main()
