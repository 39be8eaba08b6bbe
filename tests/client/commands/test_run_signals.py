"""`nodelog run` and signals, as any process and as process 1 of a container; the ends of its children."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from tests.client.commands.pipe_process import read_line
from tests.client.commands.run_process import (
    Run,
    child_of,
    python,
    result_of,
    run_command,
    shell,
)
from tests.client.shipping.fake_collector import FakeCollector
from tests.waiting import wait_for

NODELOG = Path(sys.executable).parent / "nodelog"
RECEIVER = """\
import signal
numbers = {int(number) for number in signal.valid_signals()} - {9, 17, 19}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("ready", flush=True)
while (number := signal.sigwaitinfo(numbers).si_signo) != 15:
    print(number, flush=True)
raise SystemExit(3)
"""
FORWARDED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH", "SIGCONT", "SIGTSTP")


@pytest.fixture
def collector() -> Generator[FakeCollector]:
    with FakeCollector() as started:
        yield started


def start_receiver(run: Run, collector: FakeCollector) -> Popen[bytes]:
    process = run_command(run, collector.port, "--tee", command=python(RECEIVER))
    assert read_line(process) == b"ready\n"
    return process


def test_each_signal_reaches_the_command_and_the_last_one_ends_both(
    run: Run, collector: FakeCollector
) -> None:
    process = start_receiver(run, collector)
    numbers = [*(int(signal.Signals[name]) for name in FORWARDED), signal.SIGRTMIN + 3]
    for number in numbers:
        process.send_signal(number)
        assert read_line(process) == b"%d\n" % number
    process.send_signal(signal.SIGTERM)
    assert result_of(process) == (3, b"", b"")
    assert collector.lines == [b"ready", *(b"%d" % number for number in numbers)]


def test_the_command_starts_with_the_signals_that_we_started_with(run: Run, collector: FakeCollector) -> None:
    command = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]
    process = run_command(run, collector.port, "--tee", command=command)
    code, out, _ = result_of(process)
    assert (code, signal_masks(out)) == (0, signal_masks(subprocess.check_output(command)))


def signal_masks(status: bytes) -> list[int]:
    """Return masks of signals, without two that glibc keeps for itself: its posix_spawn ignores them."""
    return [int(line.split()[1], 16) & ~(3 << 31) for line in status.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_command_that_a_signal_ends_gives_128_and_its_number(
    run: Run, collector: FakeCollector, number: signal.Signals
) -> None:
    process = run_command(run, collector.port, "--tee", command=shell("echo one; read x"))
    assert read_line(process) == b"one\n"
    os.kill(child_of(process), number)
    assert result_of(process) == (128 + number, b"", b"")
    assert collector.lines == [b"one"]


def test_after_the_commands_end_a_second_signal_ends_the_wait(run: Run, unused_port: int) -> None:
    process = run_command(run, unused_port, "--timeout=1h", command=shell("echo one; exit 3"))
    assert process.stderr is not None
    while b"twice, ends the wait" not in (line := process.stderr.readline()):
        assert line
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    code, _, err = result_of(process)
    assert (code, err) == (
        3,
        b"nodelog run: 1 lines are not acknowledged; they were in memory and are lost\n",
    )


def test_ctrl_c_at_a_terminal_reaches_the_command_once(collector: FakeCollector) -> None:
    ours, terminal = os.openpty()
    options = ["--tee", "--host=127.0.0.1", f"--port={collector.port}"]
    command = ["setsid", "--ctty", str(NODELOG), "run", *options, "--", *python(RECEIVER)]
    with Popen(command, stdin=terminal, stdout=PIPE, stderr=PIPE, bufsize=0) as process:
        assert read_line(process) == b"ready\n"
        for _ in range(20):  # a second SIGINT may merge with the first: most of them would not
            os.write(ours, b"\x03")
            assert read_line(process) == b"2\n"
            process.send_signal(signal.SIGUSR1)
            assert read_line(process) == b"10\n"
        process.terminate()
        assert result_of(process) == (3, b"", b"")
    os.close(ours)
    os.close(terminal)


def test_ctrl_z_at_a_terminal_stops_both_until_they_are_continued(collector: FakeCollector) -> None:
    ours, terminal = os.openpty()
    options = ["--tee", "--host=127.0.0.1", f"--port={collector.port}"]
    command = ["setsid", "--ctty", str(NODELOG), "run", *options, "--", *python(RECEIVER)]
    with Popen(command, stdin=terminal, stdout=PIPE, stderr=PIPE, bufsize=0) as process:
        assert read_line(process) == b"ready\n"
        os.write(ours, b"\x1a")
        status = Path(f"/proc/{process.pid}/status")
        wait_for(lambda: "State:\tT" in status.read_text(), "it has stopped")
        process.send_signal(signal.SIGCONT)
        assert {read_line(process), read_line(process)} == {b"20\n", b"18\n"}
        process.terminate()
        assert result_of(process) == (3, b"", b"")
    os.close(ours)
    os.close(terminal)


@pytest.fixture
def as_process_1(collector: FakeCollector) -> Generator[Popen[bytes]]:
    """Start it as process 1; its command leaves an orphan that ends, and lists processes when asked."""
    script = (
        "sh -c 'sh -c \"exec sleep 0.1\" & exit'; while read x; do ps -o pid=,stat=,comm=; echo end; done"
    )
    options = ["--tee", "--host=127.0.0.1", f"--port={collector.port}"]
    namespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = [*namespace, str(NODELOG), "run", *options, "--", "sh", "-c", script]
    with Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, bufsize=0) as process:
        yield process
        process.kill()


def processes_of(process: Popen[bytes]) -> list[list[bytes]]:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    return [line.split(None, 2) for line in iter(lambda: read_line(process), b"end\n")]


def test_process_1_reaps_the_orphans_that_it_adopts(as_process_1: Popen[bytes]) -> None:
    def only_living() -> bool:
        found = processes_of(as_process_1)
        assert found[0][0] == b"1"
        return len(found) == 4  # the init process, nodelog run, the shell and ps: no sleep, no zombie

    wait_for(only_living, "the orphan is gone")


def test_process_1_passes_sigterm_on_although_the_kernel_would_discard_it(collector: FakeCollector) -> None:
    options = ["--tee", "--host=127.0.0.1", f"--port={collector.port}"]
    command = [
        "unshare",
        "--pid",
        "--fork",
        "--kill-child",
        str(NODELOG),
        "run",
        *options,
        "--",
        *python(RECEIVER),
    ]
    with Popen(command, stdout=PIPE, stderr=PIPE, bufsize=0) as process:
        assert read_line(process) == b"ready\n"
        os.kill(child_of(process), signal.SIGTERM)
        assert result_of(process) == (3, b"", b"")
    assert collector.lines == [b"ready"]
