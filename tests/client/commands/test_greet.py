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


def test_a_spool_in_use_is_one_line(run: Run, logd: StartLogd, tmp_path: Path) -> None:
    node = logd()
    spool = f"--spool={tmp_path / 'spool'}"
    holder = start_greeter(run, node, spool)
    read_lines(1, holder)
    second = start_greeter(run, node, spool)
    _, err = second.communicate(timeout=30)
    assert (second.returncode, err.count(b"\n")) == (2, 1)
    assert b"in use by process %d " % holder.pid in err
