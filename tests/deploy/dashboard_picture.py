"""Draws the dashboard over a minute and a half of a real node, scraped by a real Prometheus.

    python -m tests.deploy.dashboard_picture [--out docs/pictures/dashboard.svg] [--for 90]

It needs Prometheus (Debian: prometheus), and root, to mount a disk. After a fifth of the time the collector
is killed, after two fifths the load is twenty times as high for a while, after two thirds the compressor is
stopped for some seconds.
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

from tests.deploy import busy_node
from tests.deploy.dashboard import panels
from tests.deploy.dashboard_svg import Curve, draw_dashboard
from tests.deploy.monitored_node import Node
from tests.deploy.prometheus import INTERVAL, running
from tests.faults.mounts import disk_in_memory
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.deploy.dashboard import Panel
    from tests.deploy.prometheus import Prometheus

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "dashboard.svg"
RATE_INTERVAL = "3s"


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.dashboard_picture")
    parser.add_argument("--out", type=Path, default=PICTURE, help="the file to write (%(default)s)")
    parser.add_argument("--for", type=float, default=90, dest="seconds", help="seconds to run (%(default)s)")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        prometheus = stack.enter_context(running(folder / "server"))
        disk = stack.enter_context(disk_in_memory(folder / "node", busy_node.DISK_SIZE))
        node = stack.enter_context(Node(prometheus))
        busy_node.start_everything(node, disk.path)
        start = time.time()
        run_events(node, arguments.seconds)
        text = draw(prometheus, node.name, start, time.time())
        arguments.out.write_text(text.replace(str(folder), ""))


def run_events(node: Node, seconds: float) -> None:
    """Load the node for `seconds`, with a few events."""
    busy_node.start_load(node, 1000)
    start = time.monotonic()

    def wait_until(part: float) -> None:
        time.sleep(max(0.0, start + part * seconds - time.monotonic()))

    wait_until(1 / 5)
    os.kill(process_id(node, "logd"), signal.SIGKILL)
    wait_until(2 / 5)
    busy_node.start_load(node, 20_000, f"--duration={seconds / 6:.0f}s")
    wait_until(2 / 3)
    logcd = process_id(node, "logcd")
    os.kill(logcd, signal.SIGSTOP)
    wait_until(4 / 5)
    os.kill(logcd, signal.SIGCONT)
    wait_until(1)


def process_id(node: Node, child: str) -> int:
    """Return the process ID of a child of the agent, from its status page."""
    connection = HTTPConnection(node.http_address("nodeagent"), timeout=PATIENCE)
    try:
        connection.request("GET", "/status")
        return int(json.load(connection.getresponse())["children"][child]["process"])
    finally:
        connection.close()


def draw(prometheus: Prometheus, node: str, start: float, end: float) -> str:
    """Draw the dashboard over a time range."""

    def curves(panel: Panel) -> list[Curve]:
        return [
            Curve(
                query.series_name(series.labels | {"node": ""}).strip(),
                [(at - start, value) for at, value in series.points],
            )
            for query in panel.queries
            for series in prometheus.query_range(query.fill(node, RATE_INTERVAL), start, end, 2 * INTERVAL)
        ]

    title = "A node of nodelog: logd killed, a burst of lines, logcd stopped for a while"
    return draw_dashboard(title, [(panel, curves(panel)) for panel in panels()], end - start)


if __name__ == "__main__":
    main()
