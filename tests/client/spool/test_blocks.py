from hypothesis import given
from hypothesis import strategies as st

from nodelog.spool.blocks import BLOCK_BYTES, split_into_pieces

SIZES = st.lists(st.integers(0, 100) | st.integers(0, 3 * BLOCK_BYTES // 2), min_size=1)
ROOM = st.integers(-10, BLOCK_BYTES - 1)


@given(SIZES, ROOM, st.integers(0, 100))
def test_pieces_have_all_lines_in_order_and_fit_into_blocks(sizes: list[int], room: int, number: int) -> None:
    lines = [b"%d" % at * size for at, size in enumerate(sizes)]
    pieces = list(split_into_pieces(lines, number, room, 7))
    assert b"".join(piece.data for piece in pieces) == b"".join(line + b"\n" for line in lines)
    assert [piece.row for piece in pieces] == list(range(7, 7 + len(pieces)))
    assert [piece.lines for piece in pieces] == [piece.data.count(b"\n") for piece in pieces]
    numbers = [piece.block_number for piece in pieces]
    assert numbers == list(range(numbers[0], numbers[0] + len(pieces)))
    assert numbers[0] in {number, number + 1}
    for piece in pieces:
        limit = room if piece.block_number == number else BLOCK_BYTES
        assert len(piece.data) <= limit or (piece.lines == 1 and piece.block_number != number)


@given(st.integers(1, 50), st.integers(1, 50))
def test_a_line_starts_a_new_block_only_if_it_has_no_room(size: int, room: int) -> None:
    piece, *others = split_into_pieces([b"x" * (size - 1)], 3, room, 1)
    assert not others
    assert piece.block_number == (3 if size <= room else 4)
