"""`kill -9` of the command, of `nodelog run` and of the collector: each line in the spool arrives once."""

import os
import signal
from collections import Counter
from pathlib import Path
from subprocess import Popen

import pytest
from tests.client.commands.pipe_process import read_line, send_rest
from tests.client.commands.run_process import Run, child_of, python, result_of, run_command
from tests.processes.logd import StartLogd
from tests.waiting import wait_for

ENDLESS = """\
import sys, time
number = 0
while True:
    print(sys.argv[1], number, flush=number % 50 == 0)
    number += 1
    time.sleep(0.0001)
"""


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def read_lines(process: Popen[bytes], count: int) -> list[bytes]:
    return [read_line(process) for _ in range(count)]


def wait_for_end(pid: int) -> None:
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the command notices that nobody reads")


def test_a_killed_command_loses_nothing_that_it_wrote_and_the_exit_code_says_so(
    run: Run, logd: StartLogd, spool: Path
) -> None:
    node = logd()
    process = run_command(run, node.port, f"--spool={spool}", "--tee", command=python(ENDLESS, "line"))
    printed = read_lines(process, 500)
    child = child_of(process)
    node.kill()
    printed += read_lines(process, 500)
    node.restart()
    printed += read_lines(process, 500)
    os.kill(child, signal.SIGKILL)
    code, out, _ = result_of(process)
    printed += out.splitlines(keepends=True)
    assert code == 128 + signal.SIGKILL
    assert node.log.read_bytes() == b"".join(printed)


def test_a_killed_run_loses_no_printed_line_and_the_next_one_sends_each_once(
    run: Run, logd: StartLogd, spool: Path
) -> None:
    node = logd("--sync-gap=0s")
    printed: list[bytes] = []
    for turn in range(2):
        process = run_command(
            run, node.port, f"--spool={spool}", "--tee", command=python(ENDLESS, f"turn-{turn}")
        )
        printed += read_lines(process, 200)
        if turn == 1:
            node.kill()
        printed += read_lines(process, 200)
        child = child_of(process)
        process.kill()
        printed += [line for line in result_of(process)[1].splitlines(keepends=True) if line.endswith(b"\n")]
        wait_for_end(child)
        if turn == 1:
            node.restart()
    send_rest(run, node, spool)
    written = Counter(node.log.read_bytes().splitlines(keepends=True))
    assert not Counter(printed) - written
    assert set(written.values()) == {1}
