import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog.load.generator.line_blocks import MAX_BLOCK_LINES, LineBlock
from nodelog.load.line_format import MAX_CONNECTIONS, LineFormat

CONNECTIONS = st.integers(0, MAX_CONNECTIONS - 1)
NUMBERS = st.integers(0, 16**10 - MAX_BLOCK_LINES)
FORMAT = LineFormat("ab12cd", 64)


@given(
    st.integers(1, 700),
    st.lists(st.tuples(CONNECTIONS, NUMBERS | st.integers(0, 3 * MAX_BLOCK_LINES)), max_size=9),
)
def test_a_block_equals_its_lines_formatted_singly(lines: int, starts: list[tuple[int, int]]) -> None:
    block = LineBlock(FORMAT, lines)
    for connection, first in starts:
        expected = [FORMAT.format_line(connection, first + number) for number in range(lines)]
        assert block.fill(connection, first) == b"".join(expected)


def test_each_line_of_a_block_may_have_a_prefix() -> None:
    block = LineBlock(FORMAT, 20, prefix=b"more: ")
    expected = [b"more: " + FORMAT.format_line(3, number) for number in range(7, 27)]
    assert block.fill(3, 7) == b"".join(expected)


def test_successive_blocks_continue_across_every_carry() -> None:
    block = LineBlock(FORMAT, 1000)
    for first in (0, 15, MAX_BLOCK_LINES - 1, MAX_BLOCK_LINES - 999, 16**5 - 500, 16**9 - 1, 16**9):
        text = bytes(block.fill(3, first)) + bytes(block.fill(3, first + 1000))
        assert text == b"".join(FORMAT.format_line(3, first + number) for number in range(2000))


@pytest.mark.parametrize("lines", [0, MAX_BLOCK_LINES + 1])
def test_a_block_too_large_is_refused(lines: int) -> None:
    with pytest.raises(ValueError, match=f"a block of {lines} lines, 1 to 65536 allowed"):
        LineBlock(FORMAT, lines)
