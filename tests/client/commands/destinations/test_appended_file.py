import os
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
from tests.waiting import wait_for

Run = Callable[..., Popen[bytes]]


def start_greeter(run: Run, log: Path, *options: str) -> Popen[bytes]:
    return run("greet", "--to=file", f"--file={log}", "--name=me", "--every=5ms", *options)


def read_lines(count: int, greeter: Popen[bytes]) -> bytes:
    assert greeter.stdout is not None
    return b"".join(greeter.stdout.readline() for _ in range(count))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "me.log"


def test_every_line_is_printed_and_appended_to_the_existing_file(run: Run, log: Path) -> None:
    log.write_bytes(b"before\n")
    greeter = start_greeter(run, log, "--count=5")
    out, err = greeter.communicate(timeout=30)
    assert (greeter.returncode, err.decode()) == (0, f"nodelog greet: 5 lines written to {log}\n")
    assert out.count(b"\n") == 5
    assert log.read_bytes() == b"before\n" + out


def test_a_new_file_is_created_after_a_rotation(run: Run, log: Path) -> None:
    greeter = start_greeter(run, log)
    received = read_lines(3, greeter)
    old = log.rename(log.with_suffix(".1"))
    wait_for(log.exists)
    received += read_lines(3, greeter)
    greeter.terminate()
    out, _ = greeter.communicate(timeout=30)
    assert old.read_bytes() + log.read_bytes() == received + out
    assert log.read_bytes()


def test_a_removed_file_is_created_again(run: Run, log: Path) -> None:
    greeter = start_greeter(run, log)
    received = read_lines(3, greeter)
    log.unlink()
    wait_for(lambda: log.exists() and log.read_bytes().count(b"\n") >= 2)
    greeter.send_signal(signal.SIGINT)
    out, _ = greeter.communicate(timeout=30)
    assert (received + out).endswith(log.read_bytes())


def test_writing_continues_at_the_start_of_a_truncated_file(run: Run, log: Path) -> None:
    greeter = start_greeter(run, log)
    read_lines(5, greeter)
    os.truncate(log, 0)
    wait_for(log.read_bytes)
    greeter.terminate()
    greeter.communicate(timeout=30)
    assert log.read_bytes().endswith(b" - Greetings from me\n")
    assert b"\0" not in log.read_bytes()


def test_a_full_disk_is_retried_until_a_signal(run: Run) -> None:
    greeter = start_greeter(run, Path("/dev/full"))
    assert greeter.stderr is not None
    message = b"cannot write /dev/full: No space left on device; trying again, nothing is skipped\n"
    assert greeter.stderr.readline().endswith(message)
    greeter.terminate()
    out, err = greeter.communicate(timeout=30)
    assert b"stopped before this line was sent" in err
    assert (greeter.returncode, out) == (0, b"")


def test_a_missing_directory_is_one_line(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "missing" / "me.log"
    greeter = start_greeter(run, log)
    _, err = greeter.communicate(timeout=30)
    assert greeter.returncode == 2
    expected = f"nodelog greet: cannot write {log}: No such file or directory; choose another --file\n"
    assert err.decode() == expected


def test_a_pipe_without_a_reader_is_one_line_and_does_not_block(run: Run, log: Path) -> None:
    os.mkfifo(log)
    greeter = start_greeter(run, log)
    _, err = greeter.communicate(timeout=30)
    expected = f"nodelog greet: cannot write {log}: No such device or address; choose another --file\n"
    assert (greeter.returncode, err.decode()) == (2, expected)
