import re
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
from tests.processes.logd import Logd, StartLogd

Run = Callable[..., Popen[bytes]]


def start_greeter(run: Run, logd: Logd, *options: object) -> Popen[bytes]:
    return run(
        "greet",
        "--host=127.0.0.1",
        f"--port={logd.port}",
        "--name=me",
        "--every=5ms",
        "--timeout=30s",
        *options,
    )


def read_lines(count: int, greeter: Popen[bytes]) -> list[bytes]:
    assert greeter.stdout is not None
    return [greeter.stdout.readline() for _ in range(count)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_once_everything_is_acknowledged(run: Run, logd: StartLogd, number: int) -> None:
    node = logd()
    greeter = start_greeter(run, node)
    received = b"".join(read_lines(3, greeter))
    greeter.send_signal(number)
    out, err = greeter.communicate(timeout=30)
    assert received + out == node.log.read_bytes()
    lines = (received + out).count(b"\n")
    assert err.endswith(b" %d lines sent to 127.0.0.1 port %d, %d acknowledged\n" % (lines, node.port, lines))
    assert greeter.returncode == 0


def test_nothing_is_lost_or_doubled_when_the_collector_is_killed(run: Run, logd: StartLogd) -> None:
    node = logd()
    greeter = start_greeter(run, node, "--count=60")
    received = []
    for _ in range(3):
        received += read_lines(10, greeter)
        node.kill()
        received += read_lines(5, greeter)
        node.restart()
    out, _ = greeter.communicate(timeout=30)
    sent, written = b"".join(received) + out, node.log.read_bytes()
    assert (written.count(b"\n"), written) == (60, sent)
    assert greeter.returncode == 0


def test_without_a_collector_a_signal_ends_it_in_time_and_reports_what_is_left(
    run: Run, logd: StartLogd, tmp_path: Path
) -> None:
    node = logd()
    node.kill()
    spool = tmp_path / "spool"
    greeter = start_greeter(run, node, f"--spool={spool}", "--timeout=100ms")
    received = b"".join(read_lines(3, greeter))
    greeter.terminate()
    out, err = greeter.communicate(timeout=30)
    assert greeter.returncode == 1
    lines = (received + out).count(b"\n")
    assert re.search(
        rb"^nodelog greet: %d lines are not acknowledged; they wait in " % lines, err, re.MULTILINE
    )
    assert err.endswith(b" %d lines sent to 127.0.0.1 port %d, 0 acknowledged\n" % (lines, node.port))
    node.restart()
    again = start_greeter(run, node, f"--spool={spool}", "--count=0")
    assert again.wait(30) == 0
    assert node.log.read_bytes() == received + out


def test_a_second_signal_ends_the_wait(run: Run, logd: StartLogd) -> None:
    node = logd()
    node.kill()
    greeter = start_greeter(run, node, "--timeout=1h", "--count=1")
    read_lines(1, greeter)
    greeter.send_signal(signal.SIGTERM)
    greeter.send_signal(signal.SIGINT)
    greeter.wait(30)
    assert greeter.returncode == 1
