import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from nodelog.spool.file_spool import FileSpool

Run = Callable[..., Popen[bytes]]


def result_of(process: Popen[bytes]) -> tuple[int | None, str, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def stream(path: Path) -> str:
    """Create a spool with 3 lines, and 1 set aside; return its stream id."""
    spool = FileSpool(path)
    spool.append([b"bad \x1b[2J"])
    spool.set_aside(spool.stream, "the collector hung up")
    spool.append([b"first", b"second"])
    spool.append([b"last \xff"])
    spool.close()
    return spool.stream.hex()


def test_the_text_shows_what_is_left(run: Run, path: Path, stream: str) -> None:
    code, out, err = result_of(run("status", path))
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if "set aside" not in line] == [
        f"{path}: not in use, format 1",
        "  waiting    3 lines, 20 bytes",
        f"  stream     {stream}: 3 lines, 20 bytes in 1 blocks, 2 to 2",
        "  oldest     first",
        "  newest     last \\xff",
    ]
    (aside,) = [line for line in out.splitlines() if "set aside" in line]
    assert aside.startswith("  set aside  1 lines, 9 bytes at 20")
    assert aside.endswith(" UTC: the collector hung up")


def test_the_json_shows_the_same(run: Run, path: Path, stream: str) -> None:
    code, out, _ = result_of(run("status", "--json", path, path))
    assert code == 0
    first, second = json.loads(out)
    assert first == second
    (aside,) = first.pop("aside")
    assert (aside["lines"], aside["size"], aside["why"]) == (1, 9, "the collector hung up")
    expected: dict[str, Any] = {
        "spool": str(path),
        "format": 1,
        "holder": "",
        "lines": 3,
        "bytes": 20,
        "dropped": 0,
        "lines_aside": 1,
        "bytes_aside": 9,
        "oldest": "first",
        "newest": "last \\xff",
    }
    (left,) = first.pop("streams")
    assert left == {"id": stream, "first": 2, "last": 2, "blocks": 1, "lines": 3, "size": 20, "dropped": 0}
    assert first == expected


def test_the_process_that_uses_a_spool_is_shown(run: Run, path: Path) -> None:
    spool = FileSpool(path)
    spool.append([b"one"])
    _, out, _ = result_of(run("status", path))
    spool.append([b"two"])
    spool.close()
    assert out.startswith(f"{path}: used by process {os.getpid()} on ")


def test_what_cannot_be_read_is_one_line_and_the_others_are_shown(
    run: Run, path: Path, stream: str, tmp_path: Path
) -> None:
    code, out, err = result_of(run("status", tmp_path / "none", path))
    assert code == 2
    assert stream in out
    assert err == f"nodelog status: cannot read spool {tmp_path / 'none'}: No such file or directory\n"


def test_a_full_disk_at_the_output_is_one_line(run: Run, path: Path, stream: str) -> None:
    assert stream
    with Path("/dev/full").open("wb") as full:
        process = run("status", path, stdout=full.fileno())
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.decode()) == (
        2,
        "nodelog status: cannot write to standard output: No space left on device\n",
    )
