import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
from deploy.demo_report import SUCCESS
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENTS = [f"client-{number}" for number in range(1, 8)]
Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def run(tmp_path: Path) -> Generator[Run]:
    """Return a function that runs the demo as make does, with its folders below the test's."""
    with ExitStack() as stack:

        def running(port: int, *options: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "deploy.demo", f"--port={port}", f"--var={tmp_path}", *options]
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
            )
            stack.callback(terminate, process)
            return process

        yield running


def terminate(process: subprocess.Popen[str]) -> None:
    """Stop the demo, with SIGTERM if possible: only the demo itself stops the programs it has started."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()


def programs_of(port: int, folder: Path) -> list[str]:
    """Return the command lines of the programs that the demo at this port has started and that still run."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((process / "cmdline").read_text(errors="replace").replace("\0", " "))
        except OSError:  # it has just ended
            continue
    return [
        line
        for line in lines
        if (f"--port={port} " in line or str(folder) in line) and "deploy.demo" not in line
    ]


def kill_daemon(out: str, name: str) -> int:
    """Kill a daemon with the command that the demo prints; return its PID."""
    found = re.search(rf"kill -9 (\d+) \({name}\)", out)
    assert found
    os.kill(int(found[1]), signal.SIGKILL)
    return int(found[1])


def read_until_greeted(demo: subprocess.Popen[str]) -> str:
    """Return the output of the demo until each client has sent a greeting."""
    out, waited_for = "", set(CLIENTS)
    assert demo.stdout is not None
    while waited_for:
        line = demo.stdout.readline()
        assert line
        out += line
        waited_for.discard(line.rpartition(" ")[2].strip())
    return out


def test_ctrl_c_ends_everything_and_every_line_sent_is_found(run: Run, tmp_path: Path) -> None:
    port = next(free_ports())
    demo = run(port)
    out = read_until_greeted(demo)
    assert len(programs_of(port, tmp_path)) == 17
    demo.send_signal(signal.SIGINT)
    rest, err = demo.communicate(timeout=100)
    out += rest
    assert (demo.returncode, err) == (0, "")
    shown = re.findall(r"^.* - Greetings from client-[1-7]$", out, re.MULTILINE)
    (log,) = tmp_path.glob("demo-*/node_log")
    assert shown == log.read_text().splitlines()
    assert f"sent      {len(shown)} lines, {log.stat().st_size} bytes" in out
    assert f"acked     {len(shown)} lines" in out
    assert f"written   {len(shown)} lines, {log.stat().st_size} bytes, in {os.path.relpath(log)}" in out
    assert out.endswith(f"{SUCCESS}\n")
    assert programs_of(port, tmp_path) == []


def test_killed_daemons_lose_nothing(run: Run, tmp_path: Path) -> None:
    port = next(free_ports())
    demo = run(port)
    output = read_until_greeted(demo)
    for name in ("logd", "logcd"):
        kill_daemon(output, name)
    read_until_greeted(demo)
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=100)
    assert (demo.returncode, err) == (0, "")
    assert "ended     logd 1 times, logcd 1 times\n" in out
    assert out.endswith(f"{SUCCESS}\n")
    for number in range(1, 8):
        assert re.search(
            rf"lines, \d+ bytes, {str(tmp_path).lstrip('/')}/demo-.*/log/client2-{number}\.log\n", out
        )
    assert programs_of(port, tmp_path) == []


def test_it_ends_by_itself_after_the_given_time(run: Run, tmp_path: Path) -> None:
    port = next(free_ports())
    out, err = (demo := run(port, "--for=100ms")).communicate(timeout=100)
    assert (demo.returncode, err) == (0, "")
    assert out.endswith(f"{SUCCESS}\n")
    assert programs_of(port, tmp_path) == []


def test_ctrl_c_at_startup_leaves_nothing_running(run: Run, tmp_path: Path) -> None:
    port = next(free_ports())
    demo = run(port)
    while not programs_of(port, tmp_path):
        assert demo.poll() is None
    demo.send_signal(signal.SIGINT)
    _, err = demo.communicate(timeout=60)
    assert "Traceback" not in err
    assert programs_of(port, tmp_path) == []


def test_a_closed_pipe_ends_everything(run: Run, tmp_path: Path) -> None:
    port = next(free_ports())
    demo = run(port)
    assert demo.stdout is not None
    demo.stdout.readline()
    demo.stdout.close()
    assert demo.wait(60) == 1
    assert demo.stderr is not None
    assert demo.stderr.read() == ""
    assert programs_of(port, tmp_path) == []


def test_a_taken_port_is_one_error_line_with_the_command_to_use(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        demo = run(port)
        _, err = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert err.count("\n") == 1
    assert f"port {port} cannot be used: Address already in use" in err
    assert "make demo PORT=" in err


@pytest.mark.parametrize("option", ["--port=0", "--port=many", "--for=long"])
def test_a_wrong_value_is_one_error_line(run: Run, option: str) -> None:
    demo = run(next(free_ports()), option)
    _, err = demo.communicate(timeout=60)
    assert (demo.returncode, err.count("\n")) == (1, 1)
