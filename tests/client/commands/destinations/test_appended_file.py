import os
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
from tests.waiting import wait_for

Run = Callable[..., Popen[bytes]]


def greeter_of(run: Run, log: Path, *options: str) -> Popen[bytes]:
    return run("greet", "--to=file", f"--file={log}", "--name=me", "--every=5ms", *options)


def first(count: int, greeter: Popen[bytes]) -> bytes:
    assert greeter.stdout is not None
    return b"".join(greeter.stdout.readline() for _ in range(count))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "me.log"


def test_every_line_is_printed_and_in_the_file_after_what_is_there(run: Run, log: Path) -> None:
    log.write_bytes(b"before\n")
    greeter = greeter_of(run, log, "--count=5")
    out, err = greeter.communicate(timeout=30)
    assert (greeter.returncode, err.decode()) == (0, f"nodelog greet: 5 lines written to {log}\n")
    assert out.count(b"\n") == 5
    assert log.read_bytes() == b"before\n" + out


def test_a_file_that_is_rotated_away_is_followed_by_a_new_one(run: Run, log: Path) -> None:
    greeter = greeter_of(run, log)
    received = first(3, greeter)
    old = log.rename(log.with_suffix(".1"))
    wait_for(log.exists)
    received += first(3, greeter)
    greeter.terminate()
    out, _ = greeter.communicate(timeout=30)
    assert old.read_bytes() + log.read_bytes() == received + out
    assert log.read_bytes()


def test_a_file_that_is_removed_is_made_again(run: Run, log: Path) -> None:
    greeter = greeter_of(run, log)
    received = first(3, greeter)
    log.unlink()
    wait_for(lambda: log.exists() and log.read_bytes().count(b"\n") >= 2)
    greeter.send_signal(signal.SIGINT)
    out, _ = greeter.communicate(timeout=30)
    assert (received + out).endswith(log.read_bytes())


def test_a_file_that_is_emptied_goes_on_from_its_beginning(run: Run, log: Path) -> None:
    greeter = greeter_of(run, log)
    first(5, greeter)
    os.truncate(log, 0)
    wait_for(log.read_bytes)
    greeter.terminate()
    greeter.communicate(timeout=30)
    assert log.read_bytes().endswith(b" - Greetings from me\n")
    assert b"\0" not in log.read_bytes()


def test_a_disk_that_is_full_is_waited_for_until_a_signal(run: Run) -> None:
    greeter = greeter_of(run, Path("/dev/full"))
    assert greeter.stderr is not None
    trouble = b"cannot write /dev/full: No space left on device; trying again, nothing is skipped\n"
    assert greeter.stderr.readline().endswith(trouble)
    greeter.terminate()
    out, err = greeter.communicate(timeout=30)
    assert b"told to stop before this line was sent" in err
    assert (greeter.returncode, out) == (0, b"")


def test_a_place_that_is_not_there_is_one_line(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "missing" / "me.log"
    greeter = greeter_of(run, log)
    _, err = greeter.communicate(timeout=30)
    assert greeter.returncode == 2
    wrong = f"nodelog greet: cannot write {log}: No such file or directory; give another --file\n"
    assert err.decode() == wrong


def test_a_pipe_that_nobody_reads_is_one_line_and_not_waited_for(run: Run, log: Path) -> None:
    os.mkfifo(log)
    greeter = greeter_of(run, log)
    _, err = greeter.communicate(timeout=30)
    expected = f"nodelog greet: cannot write {log}: No such device or address; give another --file\n"
    assert (greeter.returncode, err.decode()) == (2, expected)
