"""Children of multiprocessing that end by `os._exit`, or by SIGTERM, right after their last line."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.client.shipping.fake_collector import FakeCollector

PROGRAM = """
import logging, multiprocessing, os, signal, sys
from nodelog import NodeLogHandler
port, path, kind = int(sys.argv[1]), sys.argv[2] or None, sys.argv[3]
handler = NodeLogHandler("127.0.0.1", port, spool=path)
logging.basicConfig(handlers=[handler], level="INFO", format="%(message)s")
def work():
    for number in range(5):
        logging.info("%s %d", os.getpid(), number)
    if kind == "terminated":
        os.kill(os.getpid(), signal.SIGTERM)
context = multiprocessing.get_context("fork")
children = [context.Process(target=work, daemon=kind == "terminated") for _ in range(3)]
for child in children:
    child.start()
for child in children:
    child.join()
"""


@pytest.mark.parametrize("kind", ["returning", "terminated"])
@pytest.mark.parametrize("spool", ["", "spool"])
def test_all_lines_of_children_arrive_and_no_file_is_left(
    collector: FakeCollector, tmp_path: Path, spool: str, kind: str
) -> None:
    path = str(tmp_path / spool) if spool else ""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(collector.port), path, kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert not done.stderr
    assert len(collector.lines) == len(set(collector.lines)) == 15
    assert {file.name for file in tmp_path.iterdir()} <= {"spool", "spool.lock"}
