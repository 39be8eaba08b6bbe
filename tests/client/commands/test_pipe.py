from collections import Counter
from pathlib import Path

import pytest
from tests.client.commands.pipe_process import (
    MEBIBYTE,
    Run,
    fill,
    lines_in,
    lines_of,
    pipe_to,
    read_line,
    send_rest,
    start_collector,
    wait_for_lines,
    write,
)
from tests.processes.logd import StartLogd


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.mark.parametrize("options", [(), ("--tee",)])
@pytest.mark.parametrize("in_file", [False, True])
def test_the_log_equals_the_input(
    run: Run, logd: StartLogd, spool: Path, options: tuple[str, ...], in_file: bool
) -> None:
    node = logd()
    process = pipe_to(run, node.port, *options, *([f"--spool={spool}"] if in_file else []))
    data = lines_of(20_000) + b"\xff\x00\r\n\n{}\n" + b"x" * 300_000 + b"\n" + b"the end, and no line feed"
    out, err = process.communicate(data, timeout=30)
    assert (process.returncode, err) == (0, b"")
    assert node.log.read_bytes() == data + b"\n"
    assert out == (data + b"\n" if options else b"")


def test_a_typed_line_is_sent_at_once(run: Run, logd: StartLogd) -> None:
    node = logd()
    process = pipe_to(run, node.port, "--tee")
    for number in range(1, 4):
        write(process, b"typed\n")
        assert read_line(process) == b"typed\n"
        wait_for_lines(node, number)
    assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 0


def test_a_printed_line_survives_the_process_and_is_sent_by_the_next_one(
    run: Run, logd: StartLogd, unused_port: int, spool: Path
) -> None:
    process = pipe_to(run, unused_port, f"--spool={spool}", "--tee")
    printed = []
    for number in range(5):
        write(process, b"line %d\n" % number)
        printed.append(read_line(process))
    process.kill()
    process.wait(30)
    node = start_collector(logd, unused_port)
    again = pipe_to(run, unused_port, f"--spool={spool}")
    out, err = again.communicate(b"a later line\n", timeout=30)
    assert (again.returncode, out, err) == (0, b"", b"")
    assert node.log.read_bytes() == b"".join(printed) + b"a later line\n"
    assert lines_in(spool) == 0


def test_lines_left_at_the_end_are_counted_and_sent_by_the_next_process(
    run: Run, logd: StartLogd, unused_port: int, spool: Path
) -> None:
    process = pipe_to(run, unused_port, f"--spool={spool}", "--timeout=200ms")
    _, err = process.communicate(lines_of(3000), timeout=30)
    assert process.returncode == 1
    found = err.decode().splitlines()[-1]
    how = f"they wait in {spool}: the next run or `nodelog pipe --spool {spool} </dev/null` sends them"
    assert found == f"nodelog pipe: 3000 lines are not acknowledged; {how}"
    assert lines_in(spool) == 3000
    node = start_collector(logd, unused_port)
    send_rest(run, node, spool)
    assert node.log.read_bytes() == lines_of(3000)


def test_lines_left_in_memory_are_reported_as_lost(run: Run, unused_port: int) -> None:
    process = pipe_to(run, unused_port, "--timeout=0")
    _, err = process.communicate(b"one\ntwo\n", timeout=30)
    assert process.returncode == 1
    assert err.endswith(b"nodelog pipe: 2 lines are not acknowledged; they were in memory and are lost\n")


def test_a_full_spool_makes_the_writer_wait_until_the_collector_is_back(
    run: Run, logd: StartLogd, unused_port: int
) -> None:
    data = lines_of(300_000)
    assert len(data) > 3 * MEBIBYTE
    process = pipe_to(run, unused_port, "--max-bytes=1MiB")
    rest = fill(process, data)
    assert MEBIBYTE < len(data) - len(rest) < 2 * MEBIBYTE
    node = start_collector(logd, unused_port)
    process.communicate(rest, timeout=60)
    assert process.returncode == 0
    assert node.log.read_bytes() == data


@pytest.mark.parametrize("full", ["drop-oldest", "drop-newest"])
def test_dropped_lines_are_counted_and_reported_and_the_exit_code_is_1(
    run: Run, logd: StartLogd, unused_port: int, full: str
) -> None:
    data = lines_of(200_000)
    process = pipe_to(run, unused_port, "--max-bytes=1MiB", f"--full={full}")
    write(process, data)
    node = start_collector(logd, unused_port)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    (dropped,) = [int(line.split()[2]) for line in err.splitlines() if b"lines were dropped" in line]
    written = node.log.read_bytes().splitlines()
    reported = sum(int(line.split()[2]) for line in written if line.startswith(b"nodelog: dropped"))
    sent = [line for line in written if line.startswith(b"line ")]
    missing = 200_000 - len(sent)
    assert missing == len(set(data.splitlines()) - set(sent)) > 0
    # A line that reports dropped lines may be dropped too: it counts as one.
    assert 0 < reported <= dropped
    assert missing <= dropped < missing + 100


def test_every_printed_line_is_in_the_log_once_whichever_process_is_killed(
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
