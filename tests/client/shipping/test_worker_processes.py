"""Several processes with one configuration, as the workers of a server have it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.client.shipping.fake_collector import FakeCollector
from tests.client.shipping.shipper_harness import HOST
from tests.waiting import PATIENCE

from nodelog import AsyncShipper, Shipper, SpoolError

WORKER = """
import os, signal, sys
from nodelog import Shipper
port, spool, name, is_killed = int(sys.argv[1]), *sys.argv[2:5]
shipper = Shipper("127.0.0.1", port, spool=spool, tell=lambda _: None)
for number in range(100):
    shipper.send(f"{name} {number}")
shipper.keep(20)
print("ready", flush=True)
sys.stdin.readline()
if is_killed == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(shipper.close(20))
"""


@pytest.mark.parametrize("form", ["app-{pid}.spool", ""])
@pytest.mark.usefixtures("short_pauses")
def test_lines_of_all_workers_arrive_once_also_of_those_that_were_killed(form: str, tmp_path: Path) -> None:
    with FakeCollector() as collector:
        port = collector.port
    spool = f"{tmp_path}/{form}"
    workers = []
    for name in ("first", "second", "third"):
        command = [sys.executable, "-c", WORKER, str(port), spool, name, "killed"]
        workers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.communicate("end\n", timeout=PATIENCE)
    with collector, Shipper(HOST, port, spool=spool, tell=lambda _: None) as shipper:
        shipper.send("last")
        assert shipper.flush(PATIENCE) == 0
    expected = [f"{name} {number}".encode() for name in ("first", "second", "third") for number in range(100)]
    assert sorted(collector.lines) == sorted([*expected, b"last"])
    assert not list(tmp_path.iterdir())


def test_a_message_names_the_processs_own_file(tmp_path: Path) -> None:
    messages: list[str] = []
    with FakeCollector() as collector:
        port = collector.port
    shipper = Shipper(HOST, port, spool=tmp_path, tell=messages.append)
    shipper.send("a")
    assert shipper.close(0.05) == 1
    assert f"`nodelog pipe --spool {tmp_path}/nodelog-{os.getpid()}.spool </dev/null` sends" in messages[-1]


async def test_the_async_shipper_takes_the_same_spools(collector: FakeCollector, tmp_path: Path) -> None:
    async with (
        AsyncShipper(HOST, collector.port, spool=tmp_path) as first,
        AsyncShipper(HOST, collector.port, spool=tmp_path) as second,
    ):
        await first.send("a")
        await second.send("b")
    assert sorted(collector.lines) == [b"a", b"b"]
    with pytest.raises(SpoolError, match="must be a part of the file's name"):
        AsyncShipper(HOST, collector.port, spool=tmp_path / "{pid}" / "spool")


def test_pipe_takes_a_folder_too_and_a_later_run_sends_what_it_left(
    collector: FakeCollector, tmp_path: Path
) -> None:
    folder = f"{tmp_path}/new/"
    nodelog = [str(Path(sys.executable).parent / "nodelog"), "pipe", "--host=127.0.0.1", "--spool", folder]
    left = subprocess.run(
        [*nodelog, "--port=1", "--timeout=0s"], input=b"a\nb\n", capture_output=True, check=False
    )
    assert left.returncode == 1
    assert f"they wait in {folder}nodelog-".encode() in left.stderr
    subprocess.run([*nodelog, f"--port={collector.port}"], input=b"c\n", capture_output=True, check=True)
    assert collector.lines == [b"a", b"b", b"c"]
    assert not list(Path(folder).iterdir())
