"""`nodelog run` with real commands: what arrives, what is printed, and how it ends."""

import os
import sys
from collections.abc import Generator
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import pytest
from tests.client.commands.pipe_process import lines_in, read_line, write
from tests.client.commands.run_process import Run, python, result_of, run_command, shell
from tests.client.shipping.fake_collector import FakeCollector
from tests.waiting import wait_for

NODELOG = Path(sys.executable).parent / "nodelog"


@pytest.fixture
def collector() -> Generator[FakeCollector]:
    with FakeCollector() as started:
        yield started


def test_both_streams_arrive_once_and_the_exit_code_is_that_of_the_command(
    run: Run, collector: FakeCollector
) -> None:
    script = "seq 1 20000; seq -f 'error %.0f' 1 100 >&2; printf 'no line feed'; exit 7"
    assert result_of(run_command(run, collector.port, command=shell(script))) == (7, b"", b"")
    lines = collector.lines
    errors = [line for line in lines if line.startswith(b"error")]
    assert errors == [b"error %d" % number for number in range(1, 101)]
    numbers = [line for line in lines if not line.startswith(b"error")]
    assert numbers == [*(b"%d" % number for number in range(1, 20_001)), b"no line feed"]


def test_tee_prints_each_stream_where_the_command_would_have(run: Run, collector: FakeCollector) -> None:
    script = "echo out; echo err >&2; echo again"
    result = result_of(run_command(run, collector.port, "--tee", command=shell(script)))
    assert result == (0, b"out\nagain\n", b"err\n")
    assert sorted(collector.lines) == [b"again", b"err", b"out"]


def test_records_of_several_lines_arrive_as_one_and_are_printed_as_they_are(
    run: Run, collector: FakeCollector
) -> None:
    program = "print('one', flush=True); int('x')"
    command = python(program)
    process = run_command(run, collector.port, "--multiline=python", "--tee", command=command)
    code, out, err = result_of(process)
    assert (code, out) == (1, b"one\n")
    assert err.startswith(b"Traceback (most recent call last):\n  File")
    assert sorted(collector.lines) == [err.rstrip(b"\n").replace(b"\n", b"\\n"), b"one"]


def test_an_open_record_is_sent_when_its_time_is_over(run: Run, collector: FakeCollector) -> None:
    options = ("--multiline=indent", "--multiline-timeout=50ms")
    process = run_command(run, collector.port, *options, command=shell("echo a; echo ' b'; read x; echo c"))
    assert collector.wait_for_lines(1) == [b"a\\n b"]
    assert result_of(process, b"\n")[0] == 0
    assert collector.lines[1:] == [b"c"]


def test_standard_input_is_the_commands(run: Run, collector: FakeCollector) -> None:
    process = run_command(run, collector.port, "--tee", command=["cat"])
    assert result_of(process, b"typed\n") == (0, b"typed\n", b"")
    assert collector.lines == [b"typed"]


def test_the_command_inherits_no_socket_and_no_lock(
    run: Run, collector: FakeCollector, tmp_path: Path
) -> None:
    program = (
        "import os; print(*(os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')[:-1]))"
    )
    options = ("--tee", f"--spool={tmp_path / 'spool'}")
    process = run_command(run, collector.port, *options, command=python(program), stdin=DEVNULL)
    code, out, _ = result_of(process)
    null, *pipes = out.decode().split()
    assert (code, null, len(pipes)) == (0, "/dev/null", 2)
    assert all(pipe.startswith("pipe:") for pipe in pipes)


@pytest.mark.parametrize(
    ("program", "code", "why"),
    [
        ("/none", 127, "No such file or directory"),
        ("/etc/passwd", 126, "Permission denied"),
        ("/", 126, None),
    ],
)
def test_a_command_that_cannot_be_started_is_one_line(
    run: Run, collector: FakeCollector, program: str, code: int, why: str | None
) -> None:
    found = result_of(run_command(run, collector.port, command=[program, "argument"]))
    expected = f"nodelog run: cannot start {program}: {why or 'Permission denied'}\n"
    assert found == (code, b"", expected.encode())


def test_without_room_for_a_thread_the_command_is_not_started(collector: FakeCollector) -> None:
    program = (
        "import threading; from nodelog.cli import main\n"
        "start = threading.Thread.start\n"
        "def limited(thread):\n"
        "    if thread.name == 'output': raise RuntimeError(\"can't start new thread\")\n"
        "    start(thread)\n"
        "threading.Thread.start = limited; raise SystemExit(main())"
    )
    options = ["run", "--tee", "--host=127.0.0.1", f"--port={collector.port}", "--", "echo", "started"]
    with Popen([*python(program), *options], stdout=PIPE, stderr=PIPE) as process:
        code, out, err = result_of(process)
    assert (code, out, err.count(b"\n")) == (2, b"", 1)
    assert err.startswith(b"nodelog run: can't start new thread: ")


def test_without_a_command_one_line_says_where_it_stands(run: Run) -> None:
    for arguments in ([], ["--"], ["--tee", "--"], ["app", "argument"]):
        code, out, err = result_of(run("run", *arguments))
        assert (code, out, err.count(b"\n")) == (2, b"", 1)
        assert err.endswith(b"nodelog run [OPTION]... -- COMMAND\n")


def test_without_a_collector_the_command_runs_on_and_what_is_missing_is_counted(
    run: Run, unused_port: int
) -> None:
    options = ("--max-bytes=1MiB", "--block-timeout=100ms", "--timeout=0")
    process = run_command(run, unused_port, *options, command=shell("seq 1 300000; exit 5"))
    code, _, err = result_of(process)
    assert code == 5
    messages = err.decode().splitlines()
    assert (
        messages.count(
            "nodelog run: no room for more lines: they are dropped, and counted, until there is some"
        )
        == 1
    )
    (lost,) = [int(line.split()[2]) for line in messages if "are not acknowledged" in line]
    (dropped,) = [int(line.split()[2]) for line in messages if "lines were dropped" in line]
    assert 300_000 <= lost + dropped <= 300_100  # some of them say in the stream how many were dropped


def test_a_collector_that_comes_back_gets_what_waited_and_hears_of_the_rest(
    run: Run, collector: FakeCollector
) -> None:
    collector.crash()
    command = shell("seq 1 200000; echo full; while read x; do echo again; done")
    options = ("--max-bytes=1MiB", "--block-timeout=100ms", "--tee")
    process = run_command(run, collector.port, *options, command=command)
    assert process.stdin is not None
    assert process.stdout is not None
    with os.fdopen(process.stdout.fileno(), "rb", closefd=False) as stdout:
        printed = [line := stdout.readline()]
        while line != b"full\n":
            printed.append(line := stdout.readline())
        collector.start()

        def takes_lines_again() -> bool:
            write(process, b"\n")
            printed.append(stdout.readline())
            return b"again\n" in collector.blocks[-1] if collector.blocks else False

        wait_for(takes_lines_again, "there is room again")
        process.stdin.close()
        assert (process.wait(30), stdout.read()) == (0, b"")
    notices = [line for line in collector.lines if line.startswith(b"nodelog: dropped")]
    dropped = sum(int(line.split()[2]) for line in notices)
    assert dropped > 0
    assert len(collector.lines) - len(notices) + dropped == len(printed)
    numbers = [int(line) for line in collector.lines if line.isdigit()]
    assert numbers == sorted(set(numbers))


def test_with_a_spool_it_does_not_wait_for_a_collector_that_is_away(
    run: Run, unused_port: int, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    process = run_command(
        run, unused_port, f"--spool={spool}", "--timeout=1h", command=shell("seq 1 500; exit 4")
    )
    code, _, err = result_of(process)
    assert code == 4
    assert f"500 lines are not acknowledged; they wait in {spool}".encode() in err
    assert lines_in(spool) == 500


def test_processes_that_the_command_left_behind_do_not_hold_it(run: Run, collector: FakeCollector) -> None:
    process = run_command(run, collector.port, "--tee", command=shell("sleep 600 & echo $!; exit 6"))
    left = int(read_line(process))
    code, _, err = result_of(process)
    os.kill(left, 9)
    assert code == 6
    assert err.startswith(
        b"nodelog run: the command has ended, but processes that it left behind have its output"
    )
    assert err.count(b"\n") == 1
    assert collector.lines == [b"%d" % left]


def test_a_reader_that_does_not_read_does_not_hold_it_after_the_timeout(
    run: Run, collector: FakeCollector
) -> None:
    command = shell("seq 1 20000")
    process = run_command(run, collector.port, "--tee", "--timeout=200ms", command=command, stdout=PIPE)
    assert process.wait(30) == 0
    assert collector.lines == [b"%d" % number for number in range(1, 20_001)]


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_a_closed_standard_stream_does_no_harm(collector: FakeCollector, stream: int) -> None:
    options = f"--tee --host=127.0.0.1 --port={collector.port}"
    command = f"exec {NODELOG} run {options} -- sh -c 'cat; echo b' {stream}>&-"
    with Popen(["sh", "-c", command], stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        code, out, err = result_of(process, b"a\n" if stream else None)
    lines = b"a\nb\n" if stream else b"b\n"
    assert (code, out, err) == (0, b"" if stream == 1 else lines, b"")
    assert collector.lines == lines.splitlines()
