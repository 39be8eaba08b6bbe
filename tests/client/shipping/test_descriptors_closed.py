"""A program closes all descriptors that it does not know, and opens its own in their place."""

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
import os, sys
from nodelog import Shipper
port, path = int(sys.argv[1]), sys.argv[2] or None
messages = []
shipper = Shipper("127.0.0.1", port, spool=path, tell=messages.append)
shipper.send("before")
assert shipper.flush(20) == 0
os.closerange(3, 256)
theirs = [open(f"{sys.argv[3]}-{number}", "w+b", buffering=0) for number in range(100)]
for number in range(10):
    shipper.send(f"after {number}")
    assert shipper.flush(20) == 0, messages
assert shipper.close(20) == 0
for file in theirs:
    assert os.fstat(file.fileno()).st_size == 0
    file.write(b"still open")
print(len(messages))
"""


@pytest.mark.parametrize("spool", ["", "spool"])
def test_the_lines_arrive_and_the_programs_files_are_left_alone(
    collector: FakeCollector, tmp_path: Path, spool: str
) -> None:
    path = str(tmp_path / spool) if spool else ""
    command = [sys.executable, "-c", PROGRAM, str(collector.port), path, str(tmp_path / "theirs")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in collector.lines if not line.startswith(b"nodelog: ")]
    assert lines == [b"before", *(b"after %d" % number for number in range(10))]
