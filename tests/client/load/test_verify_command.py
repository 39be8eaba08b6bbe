"""`nodelog verify` as users start it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nodelog.load.line_format import LineFormat

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]

LINES = [LineFormat("run", 64).format_line(0, number) for number in range(9)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "log"
    file.write_bytes(b"".join(LINES))
    return file


def output_of(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_good_lines_are_exit_code_0(start: Start, log: Path) -> None:
    code, out, err = output_of(start("verify", "--run=run", str(log)))
    assert (code, err) == (0, "")
    assert out.startswith("received:  9 lines of run run in 1 file\nlost:      0\n")


def test_any_fault_is_exit_code_1(start: Start, log: Path) -> None:
    log.write_bytes(b"".join(LINES[:4] + LINES[5:]))
    code, out, _ = output_of(start("verify", "--run=run", str(log)))
    assert code == 1
    assert "lost:      1\n           connection 0: line 4\n" in out


def test_the_result_is_printed_as_json(start: Start, log: Path, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.write_text(json.dumps({"run": "run", "sent": {"0": 12}}))
    code, out, _ = output_of(start("verify", "--json", str(log), NODELOG_SENT=str(sent)))
    result = json.loads(out)
    assert code == 1
    assert (result["received"], result["lost"], result["gaps"], result["good"]) == (9, 3, 1, False)
    assert result["first"]["lost"] == [{"connection": 0, "first": 9, "last": 11}]


def test_a_file_given_twice_is_reported(start: Start, log: Path) -> None:
    code, out, _ = output_of(start("verify", "--run=run", str(log), str(log)))
    assert code == 0
    assert out.startswith(f"left out:  {log}: it is given twice")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--run=run", "/nowhere/log"), "cannot read /nowhere/log: No such file or directory"),
        (("--sent=/nowhere/sent", "{log}"), "cannot read --sent /nowhere/sent: No such file or directory"),
        (("--sent={log}", "{log}"), "cannot use --sent {log}: it is not what nodelog load --json prints"),
        (("{log}",), "no run is given: use --run, or --sent with the output of nodelog load --json"),
        (("--run=other", "--sent={sent}", "{log}"), "--sent {sent} is of run run, not of other"),
    ],
)
def test_an_unreadable_file_is_one_line(
    start: Start, log: Path, tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    names = {"log": log, "sent": tmp_path / "sent"}
    names["sent"].write_text(json.dumps({"run": "run", "sent": {"0": 9}}))
    code, _, err = output_of(start("verify", *(option.format(**names) for option in options)))
    assert (code, err) == (2, f"nodelog verify: {expected.format(**names)}\n")


def test_files_without_a_line_of_the_run_are_exit_code_1_and_one_line(start: Start, log: Path) -> None:
    code, _, err = output_of(start("verify", "--run=other", str(log)))
    assert (code, err) == (1, "nodelog verify: no line of run other in these files\n")
