from pathlib import Path

import pytest
from deploy.demo_report import compare, report, report_files


def test_a_missing_line_is_found_even_if_another_one_is_equal() -> None:
    assert compare([b"a\n", b"b\n", b"a\n"], [b"a\n", b"b\n"]) == ([b"a\n"], [])


def test_a_torn_line_is_missing() -> None:
    assert compare([b"abc\n"], [b"a\n", b"bc\n"]) == ([b"abc\n"], [])


def test_a_doubled_line_is_found() -> None:
    assert compare([b"a\n"], [b"a\n", b"a\n"]) == ([], [b"a\n"])


def test_a_line_from_another_sender_is_ignored() -> None:
    assert compare([b"a\n"], [b"hello\n", b"a\n", b"hello\n"]) == ([], [])


@pytest.mark.parametrize(("written", "is_ok"), [(b"a\nb\n", True), (b"a\n", False), (b"a\nb\nb\n", False)])
def test_the_report_succeeds_only_if_each_line_is_in_the_file_once(
    written: bytes, is_ok: bool, tmp_path: Path
) -> None:
    log = tmp_path / "node_log"
    log.write_bytes(written)
    assert report([b"a\n", b"b\n"], 2, log) is is_ok


def test_the_report_fails_if_a_line_was_not_acknowledged(tmp_path: Path) -> None:
    log = tmp_path / "node_log"
    log.write_bytes(b"a\nb\n")
    assert report([b"a\n", b"b\n"], 1, log) is False


def test_the_report_fails_if_nothing_was_sent(tmp_path: Path) -> None:
    log = tmp_path / "node_log"
    log.touch()
    assert report([], 0, log) is False


LINES = [b"a\n", b"b\n"]


@pytest.mark.parametrize(
    ("archived", "is_ok"),
    [
        ({"var/log/x.log": b"a\nb\n"}, True),
        ({"var/log/x.log": b"a\nb\n", "var/log/dpkg.log": b""}, True),
        ({"var/log/x.log": b"a\n"}, False),
        ({"var/log/x.log": b"a\nb\nb\n"}, False),
        ({"var/log/y.log": b"a\nb\n"}, False),
        ({}, False),
    ],
)
def test_the_report_on_files_succeeds_only_if_each_line_is_in_the_archive_once(
    archived: dict[str, bytes], is_ok: bool
) -> None:
    assert report_files({"x": LINES}, archived) is is_ok


def test_a_client_stopped_before_its_first_line_is_no_failure() -> None:
    assert report_files({"x": LINES, "y": []}, {"var/log/x.log": b"a\nb\n"}) is True
