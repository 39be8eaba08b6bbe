"""The duties of PID 1, in process ID namespaces of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.waiting import wait_for

BIN = Path(sys.executable).parent
HEAD = (
    "from nodelog.init_process import fork_if_first; fork_if_first()\n"
    "import os, signal, subprocess, sys, time\n"
)


@contextmanager
def first_process(*command: str) -> Generator[subprocess.Popen[str]]:
    """Run a command as PID 1; kill it at the end if it still runs."""
    unshare = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    with subprocess.Popen(
        [*unshare, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as run:
        try:
            yield run
        finally:
            run.kill()


def init_of(run: subprocess.Popen[str]) -> int:
    """Return the process ID, outside, of the PID 1 that `unshare` has started."""
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    wait_for(lambda: children.read_text().split())
    return int(children.read_text().split()[0])


def has_forked(pid: int) -> bool:
    """Return whether a process has a child: for one of our programs, whether its imports have begun."""
    return bool(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def read_line(run: subprocess.Popen[str]) -> str:
    assert run.stdout is not None
    return run.stdout.readline().strip()


def test_anything_but_pid_1_goes_on_as_it_is() -> None:
    code = HEAD + f"sys.exit(0 if os.getppid() == {os.getpid()} else 1)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("end", "code"),
    [("sys.exit(0)", 0), ("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", 128 + 9)],
)
def test_pid_1_ends_with_the_exit_code_of_the_program(end: str, code: int) -> None:
    with first_process(sys.executable, "-c", HEAD + end) as run:
        assert run.wait() == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_reaches_a_program_that_has_no_handler_yet(number: signal.Signals) -> None:
    with first_process(sys.executable, "-c", HEAD + "print('runs', flush=True); time.sleep(1000)") as run:
        assert read_line(run) == "runs"
        os.kill(init_of(run), number)
        assert run.wait() == 128 + number


def test_a_signal_reaches_the_handler_of_the_program() -> None:
    handle = (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); print('runs', flush=True); time.sleep(1000)"
    )
    with first_process(sys.executable, "-c", HEAD + handle) as run:
        assert read_line(run) == "runs"
        os.kill(init_of(run), signal.SIGTERM)
        assert run.wait() == 5


def test_orphans_are_reaped_and_the_programs_own_children_are_left_to_it() -> None:
    code = (
        "subprocess.run(['sh', '-c', '(exit 0) & (exit 1) & exit 3'])\n"  # leaves two orphans
        "own = subprocess.Popen(['sh', '-c', 'exit 4'])\n"
        "deadline = time.monotonic() + 30\n"
        "while 'Z' in subprocess.getoutput('ps -o stat= --ppid 1') and time.monotonic() < deadline: pass\n"
        "print(own.wait(), 'Z' in subprocess.getoutput('ps -o stat= --ppid 1'))"
    )
    with first_process(sys.executable, "-c", HEAD + code) as run:
        assert read_line(run) == "4 False"


@pytest.mark.parametrize(
    "command",
    [
        ["logd", "--log", "{}/node_log", "--listen=127.0.0.1:0", "--http=127.0.0.1:0"],
        ["logcd", "--dir={}", "--http=127.0.0.1:0"],
        ["nodeagent", "watch", "--http=127.0.0.1:0", "--disk={}", "--archives={}/x*.gz"],
        ["nodelog", "greet", "--host=127.0.0.1"],
        ["nodelog", "tail", "--token-file={}/token", "--agent=127.0.0.1:1"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_program_ends_by_a_sigterm_that_comes_while_it_imports(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    program, *arguments = (part.format(tmp_path) for part in command)
    with first_process(str(BIN / program), *arguments) as run:
        init = init_of(run)
        wait_for(lambda: has_forked(init))
        os.kill(init, signal.SIGTERM)
        run.wait(timeout=20)
