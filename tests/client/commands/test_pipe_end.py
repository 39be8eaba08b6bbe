"""The end of a pipe: by signals, by its readers, by an unusable input or spool."""

import signal
import sys
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from tests.client.commands.pipe_process import Run, fill, lines_of, pipe_to, read_line, send_rest, write
from tests.processes.logd import StartLogd
from tests.waiting import wait_for


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_input_and_what_was_written_is_delivered(
    run: Run, logd: StartLogd, number: signal.Signals
) -> None:
    node = logd()
    process = pipe_to(run, node.port, "--tee")
    write(process, b"one\n")
    assert read_line(process) == b"one\n"
    process.send_signal(signal.SIGSTOP)
    write(process, b"two\nthree, and no line feed")
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    assert process.wait(30) == 0  # its input is still open
    assert node.log.read_bytes() == b"one\ntwo\nthree, and no line feed\n"


def test_a_long_wait_is_reported_and_ends_at_the_second_signal(run: Run, unused_port: int) -> None:
    process = pipe_to(run, unused_port, "--tee")
    write(process, b"one\n")
    assert read_line(process) == b"one\n"
    process.terminate()
    assert process.stderr is not None
    waiting = (
        b"nodelog pipe: waiting until 1 lines are acknowledged; Ctrl-C or SIGTERM, twice, ends the wait\n"
    )
    while (line := process.stderr.readline()) != waiting:
        assert line
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 1


def test_the_second_signal_ends_it_even_with_a_full_spool(run: Run, unused_port: int) -> None:
    process = pipe_to(run, unused_port, "--max-bytes=1MiB")
    write(process, b"one\n")
    assert process.stderr is not None
    assert b"no connection" in process.stderr.readline()
    fill(process, lines_of(300_000))
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 1


def test_a_reader_that_leaves_does_not_end_it(run: Run, logd: StartLogd) -> None:
    node = logd()
    process = pipe_to(run, node.port, "--tee")
    write(process, b"one\n")
    assert read_line(process) == b"one\n"
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(lines_of(1000), timeout=30)
    assert err == b"nodelog pipe: standard output: Broken pipe; lines still go to the collector\n"
    assert process.returncode == 0
    assert node.log.read_bytes() == b"one\n" + lines_of(1000)


def test_the_second_signal_ends_the_wait_for_a_reader_that_does_not_read(
    run: Run, logd: StartLogd, spool: Path
) -> None:
    node = logd()
    process = pipe_to(run, node.port, "--tee", f"--spool={spool}")
    write(process, lines_of(50_000)[:65_520])
    write(process, lines_of(50_000)[65_520:131_040])
    wait_for(lambda: node.log.stat().st_size >= 65_000)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    process.wait(30)
    send_rest(run, node, spool)
    assert node.log.read_bytes() == lines_of(node.log.read_bytes().count(b"\n"))


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_a_closed_standard_stream_causes_no_traceback(logd: StartLogd, stream: int) -> None:
    node = logd()
    nodelog = Path(sys.executable).parent / "nodelog"
    command = f"exec {nodelog} pipe --tee --host=127.0.0.1 --port={node.port} {stream}>&-"
    with Popen(["sh", "-c", command], stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        _, err = process.communicate(b"one\n" if stream else None, timeout=30)
    assert b"Traceback" not in err
    assert process.returncode == (0 if stream else 1)
    assert err.count(b"\n") <= 1


def test_an_unreadable_input_is_one_line(run: Run, logd: StartLogd, tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        process = pipe_to(run, logd().port, stdin=output.fileno())
    _, err = process.communicate(timeout=30)
    assert err == b"nodelog pipe: cannot read standard input: Bad file descriptor; the input ends here\n"
    assert process.returncode == 1


def test_a_second_pipe_on_a_spool_is_refused(run: Run, logd: StartLogd, spool: Path) -> None:
    node = logd()
    holder = pipe_to(run, node.port, f"--spool={spool}", "--tee")
    write(holder, b"one\n")
    assert read_line(holder) == b"one\n"
    second = pipe_to(run, node.port, f"--spool={spool}")
    _, err = second.communicate(b"two\n", timeout=30)
    assert (second.returncode, err.count(b"\n")) == (2, 1)
    assert b"in use by process %d " % holder.pid in err
