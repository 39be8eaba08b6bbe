from pathlib import Path

import pytest
from deploy.verdict import compare, report, report_files


def test_a_missing_line_is_found_even_if_another_is_the_same() -> None:
    assert compare([b"a\n", b"b\n", b"a\n"], [b"a\n", b"b\n"]) == ([b"a\n"], [])


def test_a_torn_line_is_missing() -> None:
    assert compare([b"abc\n"], [b"a\n", b"bc\n"]) == ([b"abc\n"], [])


def test_a_doubled_line_is_found() -> None:
    assert compare([b"a\n"], [b"a\n", b"a\n"]) == ([], [b"a\n"])


def test_a_line_of_somebody_else_is_no_fault() -> None:
    assert compare([b"a\n"], [b"hello\n", b"a\n", b"hello\n"]) == ([], [])


@pytest.mark.parametrize(("written", "right"), [(b"a\nb\n", True), (b"a\n", False), (b"a\nb\nb\n", False)])
def test_the_report_is_only_right_if_each_line_is_in_the_file_once(
    written: bytes, right: bool, tmp_path: Path
) -> None:
    log = tmp_path / "node_log"
    log.write_bytes(written)
    assert report([b"a\n", b"b\n"], 2, log) is right


def test_the_report_is_wrong_if_a_line_was_not_acknowledged(tmp_path: Path) -> None:
    log = tmp_path / "node_log"
    log.write_bytes(b"a\nb\n")
    assert report([b"a\n", b"b\n"], 1, log) is False


def test_a_demo_in_which_nothing_was_sent_shows_nothing(tmp_path: Path) -> None:
    log = tmp_path / "node_log"
    log.touch()
    assert report([], 0, log) is False


LINES = [b"a\n", b"b\n"]


@pytest.mark.parametrize(
    ("archived", "right"),
    [
        ({"var/log/x.log": b"a\nb\n"}, True),
        ({"var/log/x.log": b"a\nb\n", "var/log/dpkg.log": b""}, True),
        ({"var/log/x.log": b"a\n"}, False),
        ({"var/log/x.log": b"a\nb\nb\n"}, False),
        ({"var/log/y.log": b"a\nb\n"}, False),
        ({}, False),
    ],
)
def test_the_report_on_files_is_only_right_if_each_line_is_in_the_archive_once(
    archived: dict[str, bytes], right: bool
) -> None:
    assert report_files({"x": LINES}, archived) is right


def test_a_client_that_was_ended_before_its_first_line_is_no_fault() -> None:
    assert report_files({"x": LINES, "y": []}, {"var/log/x.log": b"a\nb\n"}) is True
