import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest

DEMO = Path(__file__).resolve().parent.parent.parent / "deploy" / "demo.py"
Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    """Load the script without running it."""
    spec = importlib.util.spec_from_file_location("demo", DEMO)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tmp_path: Path) -> Generator[Run]:
    """Run the demo as make does, with its folders in the test's own."""
    with ExitStack() as stack:

        def running(port: int, *options: str) -> subprocess.Popen[str]:
            command = [sys.executable, str(DEMO), f"--port={port}", f"--var={tmp_path}", *options]
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            )
            stack.callback(process.kill)
            return process

        yield running


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def programs_at(port: int) -> list[str]:
    """Return the command lines of what the demo at this port has started and what still runs."""
    lines = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it ended in this moment
            continue
    return [
        line
        for line in lines
        if re.search(rf"(--port=|--listen=127\.0\.0\.1:){port} ", line) and "demo.py" not in line
    ]


def test_every_line_that_was_sent_is_found(run: Run, tmp_path: Path) -> None:
    port = free_port()
    out, err = (demo := run(port, "--for=3")).communicate(timeout=60)
    assert (demo.returncode, err) == (0, "")
    shown = re.findall(r"^.* - Greetings from client-[1-7]$", out, re.MULTILINE)
    (log,) = tmp_path.glob("demo-*/node_log")
    assert shown == log.read_text().splitlines()
    assert len(shown) >= 14
    assert f"sent      {len(shown)} lines, {log.stat().st_size} bytes" in out
    assert f"acked     {len(shown)} lines" in out
    assert f"written   {len(shown)} lines, {log.stat().st_size} bytes, in {os.path.relpath(log)}" in out
    assert programs_at(port) == []


def test_ctrl_c_ends_everything_and_still_tells(run: Run) -> None:
    port = free_port()
    demo = run(port)
    assert demo.stdout is not None
    while "Greetings" not in (line := demo.stdout.readline()):
        assert line
    assert len(programs_at(port)) == 8
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=60)
    assert (demo.returncode, err) == (0, "")
    assert out.endswith("every line sent is acknowledged and in the file, once\n")
    assert programs_at(port) == []


def test_ctrl_c_at_the_start_leaves_nothing_behind(run: Run) -> None:
    port = free_port()
    demo = run(port)
    while not programs_at(port):
        assert demo.poll() is None
    demo.send_signal(signal.SIGINT)
    _, err = demo.communicate(timeout=60)
    assert "Traceback" not in err
    assert programs_at(port) == []


def test_a_reader_who_leaves_ends_everything(run: Run) -> None:
    port = free_port()
    demo = run(port)
    assert demo.stdout is not None
    demo.stdout.readline()
    demo.stdout.close()
    assert demo.wait(60) == 1
    assert demo.stderr is not None
    assert demo.stderr.read() == ""
    assert programs_at(port) == []


def test_a_port_that_is_taken_is_one_line_with_what_to_type(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        demo = run(port)
        _, err = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert err.count("\n") == 1
    assert f"port {port} cannot be had: Address already in use" in err
    assert "make demo PORT=" in err


@pytest.mark.parametrize("option", ["--port=0", "--port=many", "--for=long"])
def test_a_wrong_value_is_one_line(run: Run, option: str) -> None:
    demo = run(free_port(), option)
    _, err = demo.communicate(timeout=60)
    assert (demo.returncode, err.count("\n")) == (1, 1)


def test_a_missing_line_is_found_even_if_another_is_the_same(demo: ModuleType) -> None:
    assert demo.compare([b"a\n", b"b\n", b"a\n"], [b"a\n", b"b\n"]) == ([b"a\n"], [])


def test_a_torn_line_is_missing(demo: ModuleType) -> None:
    assert demo.compare([b"abc\n"], [b"a\n", b"bc\n"]) == ([b"abc\n"], [])


def test_a_doubled_line_is_found(demo: ModuleType) -> None:
    assert demo.compare([b"a\n"], [b"a\n", b"a\n"]) == ([], [b"a\n"])


def test_a_line_of_somebody_else_is_no_fault(demo: ModuleType) -> None:
    assert demo.compare([b"a\n"], [b"hello\n", b"a\n", b"hello\n"]) == ([], [])


@pytest.mark.parametrize(("written", "right"), [(b"a\nb\n", True), (b"a\n", False), (b"a\nb\nb\n", False)])
def test_the_report_is_only_right_if_each_line_is_in_the_file_once(
    demo: ModuleType, written: bytes, right: bool, tmp_path: Path
) -> None:
    log = tmp_path / "node_log"
    log.write_bytes(written)
    assert demo.report([b"a\n", b"b\n"], 2, log) is right


def test_the_report_is_wrong_if_a_line_was_not_acknowledged(demo: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "node_log"
    log.write_bytes(b"a\nb\n")
    assert demo.report([b"a\n", b"b\n"], 1, log) is False


def test_what_a_client_says_at_its_end_is_what_was_acknowledged(demo: ModuleType, tmp_path: Path) -> None:
    errors = tmp_path / "client-1.errors"
    errors.write_text("nodelog greet: 3 lines sent to 127.0.0.1 port 6666, 2 acknowledged\n")
    assert demo.acknowledged(errors) == 2
    errors.write_text("Killed\n")
    assert demo.acknowledged(errors) == 0


def test_a_demo_in_which_nothing_was_sent_shows_nothing(demo: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "node_log"
    log.touch()
    assert demo.report([], 0, log) is False
