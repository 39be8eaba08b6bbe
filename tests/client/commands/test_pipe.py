import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import pytest
from tests.running import Logd, StartLogd, wait_for

from nodelog.spool.contents import contents

Run = Callable[..., Popen[bytes]]
MEBIBYTE = 1024 * 1024


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def pipe_to(run: Run, port: int, *options: object, stdin: int = PIPE) -> Popen[bytes]:
    return run("pipe", "--host=127.0.0.1", f"--port={port}", *options, stdin=stdin)


def back(logd: StartLogd, away: int) -> Logd:
    """Start the collector that was away."""
    return logd(f"--listen=127.0.0.1:{away}")


def lines_of(count: int, mark: str = "line") -> bytes:
    return b"".join(b"%s %07d\n" % (mark.encode(), number) for number in range(count))


def write(process: Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)


def read_line(process: Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def fill(process: Popen[bytes], data: bytes) -> bytes:
    """Write until no more is taken; give what is left. A spool of 1 MiB is full then."""
    assert process.stdin is not None
    stdin, rest = process.stdin, memoryview(data)
    os.set_blocking(stdin.fileno(), False)

    def is_stuck() -> bool:
        nonlocal rest
        size: int | None = stdin.write(rest)  # None: nothing, not now
        rest = rest[size or 0 :]
        return size is None and len(data) - len(rest) > MEBIBYTE

    wait_for(is_stuck)
    os.set_blocking(stdin.fileno(), True)
    return bytes(rest)


def held(spool: Path) -> int:
    return sum(stream.lines for stream in contents(spool).streams)


def send_rest(run: Run, logd: Logd, spool: Path) -> None:
    """Send what an earlier run left."""
    last = pipe_to(run, logd.port, f"--spool={spool}", stdin=DEVNULL)
    _, err = last.communicate(timeout=30)
    assert (last.returncode, err) == (0, b"")


def wait_for_lines(logd: Logd, count: int) -> None:
    wait_for(lambda: logd.log.read_bytes().count(b"\n") == count, f"{count} lines in the log")


@pytest.mark.parametrize("options", [(), ("--tee",)])
@pytest.mark.parametrize("in_file", [False, True])
def test_all_that_comes_is_in_the_log_as_it_was(
    run: Run, logd: StartLogd, spool: Path, options: tuple[str, ...], in_file: bool
) -> None:
    node = logd()
    process = pipe_to(run, node.port, *options, *([f"--spool={spool}"] if in_file else []))
    data = lines_of(20_000) + b"\xff\x00\r\n\n{}\n" + b"x" * 300_000 + b"\n" + b"the end, and no line feed"
    out, err = process.communicate(data, timeout=30)
    assert (process.returncode, err) == (0, b"")
    assert node.log.read_bytes() == data + b"\n"
    assert out == (data + b"\n" if options else b"")


def test_a_line_that_somebody_types_goes_at_once(run: Run, logd: StartLogd) -> None:
    node = logd()
    process = pipe_to(run, node.port, "--tee")
    for number in range(1, 4):
        write(process, b"typed\n")
        assert read_line(process) == b"typed\n"
        wait_for_lines(node, number)
    assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 0


def test_a_printed_line_survives_the_pipe_and_is_sent_by_the_next_one(
    run: Run, logd: StartLogd, away: int, spool: Path
) -> None:
    process = pipe_to(run, away, f"--spool={spool}", "--tee")
    printed = []
    for number in range(5):
        write(process, b"line %d\n" % number)
        printed.append(read_line(process))
    process.kill()
    process.wait(30)
    node = back(logd, away)
    again = pipe_to(run, away, f"--spool={spool}")
    out, err = again.communicate(b"a later line\n", timeout=30)
    assert (again.returncode, out, err) == (0, b"", b"")
    assert node.log.read_bytes() == b"".join(printed) + b"a later line\n"
    assert held(spool) == 0


def test_what_is_left_at_the_end_is_counted_and_sent_by_the_next_one(
    run: Run, logd: StartLogd, away: int, spool: Path
) -> None:
    process = pipe_to(run, away, f"--spool={spool}", "--timeout=200ms")
    _, err = process.communicate(lines_of(3000), timeout=30)
    assert process.returncode == 1
    found = err.decode().splitlines()[-1]
    how = f"wait in {spool}: the next run sends them, or `nodelog pipe --spool {spool} </dev/null`"
    assert found == f"nodelog pipe: 3000 lines are not acknowledged and {how}"
    assert held(spool) == 3000
    node = back(logd, away)
    send_rest(run, node, spool)
    assert node.log.read_bytes() == lines_of(3000)


def test_what_was_in_memory_is_said_to_be_lost(run: Run, away: int) -> None:
    process = pipe_to(run, away, "--timeout=0")
    _, err = process.communicate(b"one\ntwo\n", timeout=30)
    assert process.returncode == 1
    assert err.endswith(b"nodelog pipe: 2 lines are not acknowledged and were in memory and are lost\n")


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


def test_after_a_while_it_says_what_it_waits_for_and_a_second_signal_ends_it(run: Run, away: int) -> None:
    process = pipe_to(run, away, "--tee")
    write(process, b"one\n")
    assert read_line(process) == b"one\n"
    process.terminate()
    assert process.stderr is not None
    waiting = (
        b"nodelog pipe: waiting until 1 lines are acknowledged; Ctrl-C or SIGTERM, twice, ends it at once\n"
    )
    while (line := process.stderr.readline()) != waiting:
        assert line
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 1


def test_a_full_spool_makes_the_writer_wait_until_the_collector_is_back(
    run: Run, logd: StartLogd, away: int
) -> None:
    data = lines_of(300_000)
    assert len(data) > 3 * MEBIBYTE
    process = pipe_to(run, away, "--max-bytes=1MiB")
    rest = fill(process, data)
    assert MEBIBYTE < len(data) - len(rest) < 2 * MEBIBYTE
    node = back(logd, away)
    process.communicate(rest, timeout=60)
    assert process.returncode == 0
    assert node.log.read_bytes() == data


@pytest.mark.parametrize("full", ["drop-oldest", "drop-newest"])
def test_what_is_dropped_is_counted_told_and_no_success(
    run: Run, logd: StartLogd, away: int, full: str
) -> None:
    data = lines_of(200_000)
    process = pipe_to(run, away, "--max-bytes=1MiB", f"--full={full}")
    write(process, data)
    node = back(logd, away)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    (dropped,) = [int(line.split()[2]) for line in err.splitlines() if b"lines were dropped" in line]
    written = node.log.read_bytes().splitlines()
    told = sum(int(line.split()[2]) for line in written if line.startswith(b"nodelog: dropped"))
    ours = [line for line in written if line.startswith(b"line ")]
    missing = 200_000 - len(ours)
    assert missing == len(set(data.splitlines()) - set(ours)) > 0
    # A line that tells of others may be dropped too: it counts as one.
    assert 0 < told <= dropped
    assert missing <= dropped < missing + 100


def test_the_second_signal_ends_it_also_with_a_full_spool(run: Run, away: int) -> None:
    process = pipe_to(run, away, "--max-bytes=1MiB")
    write(process, b"one\n")
    assert process.stderr is not None
    assert b"no connection" in process.stderr.readline()
    fill(process, lines_of(300_000))
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 1


def test_a_reader_who_leaves_does_not_end_it(run: Run, logd: StartLogd) -> None:
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


def test_a_reader_who_does_not_read_is_left_at_the_second_signal(
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
def test_a_closed_stream_is_no_traceback(logd: StartLogd, stream: int) -> None:
    node = logd()
    nodelog = Path(sys.executable).parent / "nodelog"
    command = f"exec {nodelog} pipe --tee --host=127.0.0.1 --port={node.port} {stream}>&-"
    with Popen(["sh", "-c", command], stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        _, err = process.communicate(b"one\n" if stream else None, timeout=30)
    assert b"Traceback" not in err
    assert process.returncode == (0 if stream else 1)
    assert err.count(b"\n") <= 1


def test_an_input_that_cannot_be_read_is_one_line(run: Run, logd: StartLogd, tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        process = pipe_to(run, logd().port, stdin=output.fileno())
    _, err = process.communicate(timeout=30)
    assert err == b"nodelog pipe: cannot read standard input: Bad file descriptor; it ends here\n"
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


def test_whatever_is_killed_each_line_that_was_printed_is_in_the_log_once(
    run: Run, logd: StartLogd, spool: Path
) -> None:
    node = logd("--sync-gap=0s")
    printed: list[bytes] = []
    for turn in range(4):
        process = pipe_to(run, node.port, "--tee", f"--spool={spool}")
        assert process.stdin is not None
        data = lines_of(2000, f"turn {turn}")
        half = data[: len(data) // 2]
        process.stdin.write(half)
        printed += [read_line(process) for _ in range(half.count(b"\n"))]
        if turn % 2:
            node.kill()
        process.stdin.write(data[len(half) :])
        printed += [read_line(process) for _ in range(500)]
        process.kill()
        process.wait(30)
        if turn % 2:
            node.restart()
    send_rest(run, node, spool)
    written = Counter(node.log.read_bytes().splitlines(keepends=True))
    assert not Counter(printed) - written
    assert set(written.values()) == {1}
    assert set(written) <= {
        line for turn in range(4) for line in lines_of(2000, f"turn {turn}").splitlines(True)
    }
