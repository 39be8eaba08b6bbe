import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog.load.generator.line_blocks import MOST_CONNECTIONS, MOST_LINES, Block, Layout, least_line_size

CONNECTIONS = st.integers(0, MOST_CONNECTIONS - 1)
NUMBERS = st.integers(0, 16**10 - MOST_LINES)
LAYOUT = Layout("ab12cd", 64)
LINES = st.tuples(CONNECTIONS, NUMBERS).map(lambda key: LAYOUT.line(*key))
# Numbers that differ in a few digits: those of two lines that are mixed mostly do.
NEAR = st.tuples(st.integers(0, 40), st.integers(0, 600)).map(lambda key: LAYOUT.line(*key))


def test_a_line_shows_run_size_connection_number_and_check() -> None:
    assert Layout("ab12cd", 64).line(7, 1234) == (
        b"<ab12cd 64> 0007 00000004d2 .........gggqgggggggmwj <ab12cd 64>\n"
    )


@given(CONNECTIONS, NUMBERS, st.integers(55, 300), st.from_regex("[A-Za-z0-9_-]{1,6}", fullmatch=True))
def test_what_a_line_says_is_read_back(connection: int, number: int, size: int, run: str) -> None:
    layout = Layout(run, max(size, least_line_size(run, size)))
    line = layout.line(connection, number)
    assert len(line) == layout.line_size
    assert line.index(b"\n") == len(line) - 1
    assert layout.parse(line) == layout.parse(line[:-1]) == (connection, number)


@given(
    st.integers(1, 700),
    st.lists(st.tuples(CONNECTIONS, NUMBERS | st.integers(0, 3 * MOST_LINES)), max_size=9),
)
def test_a_block_is_the_lines_one_by_one(lines: int, starts: list[tuple[int, int]]) -> None:
    block = Block(LAYOUT, lines)
    for connection, first in starts:
        expected = [LAYOUT.line(connection, first + number) for number in range(lines)]
        assert block.fill(connection, first) == b"".join(expected)


def test_each_line_of_a_block_may_have_something_before_it() -> None:
    block = Block(LAYOUT, 20, before=b"more: ")
    expected = [b"more: " + LAYOUT.line(3, number) for number in range(7, 27)]
    assert block.fill(3, 7) == b"".join(expected)


def test_a_row_of_blocks_is_a_row_of_lines_across_every_carry() -> None:
    block = Block(LAYOUT, 1000)
    for first in (0, 15, MOST_LINES - 1, MOST_LINES - 999, 16**5 - 500, 16**9 - 1, 16**9):
        text = bytes(block.fill(3, first)) + bytes(block.fill(3, first + 1000))
        assert text == b"".join(LAYOUT.line(3, first + number) for number in range(2000))


@given(LINES | NEAR, LINES | NEAR, st.integers(0, 64), st.integers(0, 64))
def test_no_line_is_made_by_cutting_two_others(one: bytes, other: bytes, cut: int, back: int) -> None:
    cut, back = sorted((cut, back))
    mixed = one[:cut] + other[cut:back] + one[back:]
    assert LAYOUT.parse(mixed) is None or mixed in (one, other)


@given(LINES, st.integers(0, 62), st.integers(0, 255))
def test_a_line_with_another_byte_in_it_is_no_line(line: bytes, at: int, byte: int) -> None:
    damaged = line[:at] + bytes([byte]) + line[at + 1 :]
    assert LAYOUT.parse(damaged) is None or damaged == line


@given(LINES, st.integers(0, 62), st.integers(1, 62))
def test_a_line_that_lacks_bytes_is_no_line(line: bytes, at: int, count: int) -> None:
    assert LAYOUT.parse(line[:at] + line[at + min(count, 63 - at) :]) is None
    shorter = len(line) - count
    if shorter >= least_line_size("ab12cd", shorter):
        assert Layout("ab12cd", shorter).parse(line[:at] + line[at + count :]) is None


def test_a_line_of_64_bytes_has_room_for_a_run_of_ten_letters() -> None:
    assert Layout("abcdefghij", 64).line(0, 0).count(b"<abcdefghij 64>") == 2


def test_a_line_without_room_is_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="lines of 54 bytes, at least 55 needed for run ab12cd"):
        Layout("ab12cd", 54)
    assert least_line_size("ab12cd") == len(Layout("ab12cd", 55).line(1, 2)) == 55


@pytest.mark.parametrize("run", ["", "a b", "a>", "é", "x" * 17, "a\n"])
def test_a_run_that_could_be_taken_for_something_else_is_refused(run: str) -> None:
    with pytest.raises(ValueError, match="is not a run"):
        Layout(run, 128)


@pytest.mark.parametrize("lines", [0, MOST_LINES + 1])
def test_a_block_too_large_is_refused(lines: int) -> None:
    with pytest.raises(ValueError, match=f"a block of {lines} lines, 1 to 65536 allowed"):
        Block(LAYOUT, lines)
