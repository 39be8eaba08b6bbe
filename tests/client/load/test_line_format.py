import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog.load.line_format import MAX_CONNECTIONS, LineFormat, min_line_size

CONNECTIONS = st.integers(0, MAX_CONNECTIONS - 1)
NUMBERS = st.integers(0, 16**10 - 16**4)
FORMAT = LineFormat("ab12cd", 64)
LINES = st.tuples(CONNECTIONS, NUMBERS).map(lambda key: FORMAT.format_line(*key))
# Numbers that differ in a few digits, as those of two mixed lines mostly do.
NEAR = st.tuples(st.integers(0, 40), st.integers(0, 600)).map(lambda key: FORMAT.format_line(*key))


def test_a_line_shows_run_size_connection_number_and_check() -> None:
    assert LineFormat("ab12cd", 64).format_line(7, 1234) == (
        b"<ab12cd 64> 0007 00000004d2 .........gggqgggggggmwj <ab12cd 64>\n"
    )


@given(CONNECTIONS, NUMBERS, st.integers(55, 300), st.from_regex("[A-Za-z0-9_-]{1,6}", fullmatch=True))
def test_parsing_a_line_returns_what_was_formatted(connection: int, number: int, size: int, run: str) -> None:
    line_format = LineFormat(run, max(size, min_line_size(run, size)))
    line = line_format.format_line(connection, number)
    assert len(line) == line_format.line_size
    assert line.index(b"\n") == len(line) - 1
    assert line_format.parse_line(line) == line_format.parse_line(line[:-1]) == (connection, number)


@given(LINES | NEAR, LINES | NEAR, st.integers(0, 64), st.integers(0, 64))
def test_no_line_results_from_cutting_two_others(one: bytes, other: bytes, cut: int, back: int) -> None:
    cut, back = sorted((cut, back))
    mixed = one[:cut] + other[cut:back] + one[back:]
    assert FORMAT.parse_line(mixed) is None or mixed in (one, other)


@given(LINES, st.integers(0, 62), st.integers(0, 255))
def test_a_line_with_a_changed_byte_is_not_a_line(line: bytes, at: int, byte: int) -> None:
    damaged = line[:at] + bytes([byte]) + line[at + 1 :]
    assert FORMAT.parse_line(damaged) is None or damaged == line


@given(LINES, st.integers(0, 62), st.integers(1, 62))
def test_a_line_with_missing_bytes_is_not_a_line(line: bytes, at: int, count: int) -> None:
    assert FORMAT.parse_line(line[:at] + line[at + min(count, 63 - at) :]) is None
    shorter = len(line) - count
    if shorter >= min_line_size("ab12cd", shorter):
        assert LineFormat("ab12cd", shorter).parse_line(line[:at] + line[at + count :]) is None


def test_a_line_of_64_bytes_has_room_for_a_run_of_ten_letters() -> None:
    assert LineFormat("abcdefghij", 64).format_line(0, 0).count(b"<abcdefghij 64>") == 2


def test_a_line_without_room_is_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="lines of 54 bytes, at least 55 needed for run ab12cd"):
        LineFormat("ab12cd", 54)
    assert min_line_size("ab12cd") == len(LineFormat("ab12cd", 55).format_line(1, 2)) == 55


@pytest.mark.parametrize("run", ["", "a b", "a>", "é", "x" * 17, "a\n"])
def test_an_ambiguous_run_is_refused(run: str) -> None:
    with pytest.raises(ValueError, match="is not a run"):
        LineFormat(run, 128)
