from hypothesis import given
from hypothesis import strategies as st

from nodelog.spool.blocks import BLOCK_BYTES, pieces_of

LINES = st.lists(
    st.integers(0, 3 * BLOCK_BYTES // 2).map(lambda size: b"x" * size)
    | st.binary(max_size=20).filter(lambda line: b"\n" not in line),
    min_size=1,
)


@given(LINES, st.integers(-10, BLOCK_BYTES), st.integers(0, 100))
def test_pieces_have_all_lines_in_order_and_fit_into_blocks(
    lines: list[bytes], room: int, number: int
) -> None:
    pieces = list(pieces_of(lines, number, room, 7))
    assert b"".join(piece.data for piece in pieces) == b"".join(line + b"\n" for line in lines)
    assert [piece.row for piece in pieces] == list(range(7, 7 + len(pieces)))
    assert [piece.lines for piece in pieces] == [piece.data.count(b"\n") for piece in pieces]
    numbers = [piece.number for piece in pieces]
    assert numbers == list(range(numbers[0], numbers[0] + len(pieces)))
    assert numbers[0] in {number, number + 1}
    for piece in pieces:
        limit = room if piece.number == number else BLOCK_BYTES
        assert len(piece.data) <= limit or (piece.lines == 1 and piece.number != number)


@given(st.integers(1, 50), st.integers(1, 50))
def test_a_line_goes_into_the_next_block_only_if_it_has_no_room(size: int, room: int) -> None:
    piece, *others = pieces_of([b"x" * (size - 1)], 3, room, 1)
    assert not others
    assert piece.number == (3 if size <= room else 4)
