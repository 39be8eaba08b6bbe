import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
from tests.processes.logd import Logd, StartLogd

from nodelog.commands.greet import greeting

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


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns"])
@pytest.mark.parametrize("now", [0, 1_795_363_631, 1_772_000_000])
def test_a_greeting_has_the_date_in_the_format_of_the_date_command(
    zone: str, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    monkeypatch.setenv("LC_ALL", "C")
    time.tzset()
    date = subprocess.run(
        ["date", "-d", f"@{now}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert greeting("me", now) == f"{date} - Greetings from me"
    monkeypatch.undo()
    time.tzset()


def test_every_line_is_printed_acknowledged_and_in_the_log(run: Run, logd: StartLogd) -> None:
    node = logd()
    greeter = start_greeter(run, node, "--count=20")
    out, err = greeter.communicate(timeout=30)
    assert out == node.log.read_bytes()
    assert out.count(b" - Greetings from me\n") == 20
    where = f"127.0.0.1 port {node.port}"
    assert err.decode() == f"nodelog greet: 20 lines sent to {where}, 20 acknowledged\n"
    assert greeter.returncode == 0


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


def test_a_spool_in_use_is_one_line(run: Run, logd: StartLogd, tmp_path: Path) -> None:
    node = logd()
    spool = f"--spool={tmp_path / 'spool'}"
    holder = start_greeter(run, node, spool)
    read_lines(1, holder)
    second = start_greeter(run, node, spool)
    _, err = second.communicate(timeout=30)
    assert (second.returncode, err.count(b"\n")) == (2, 1)
    assert b"in use by process %d " % holder.pid in err
