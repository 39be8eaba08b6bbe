"""Pieces can be joined in any row, and what is joined is one gzip member."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelogd.compressor.format.pieces import (
    GZIP_HEADER,
    NOTHING,
    ending,
    filler,
    joined,
    packed,
    packed_fast,
    piece,
    unpacked,
)
from nodelogd.service.deflate import crc32

KINDS = [lambda data: packed(data, 5), lambda data: packed(data, 6), packed_fast]
contents = st.lists(st.tuples(st.binary(max_size=2000), st.sampled_from(KINDS)), max_size=8)


@given(contents)
def test_any_row_of_pieces_is_one_gzip_member(row: list[tuple[bytes, object]]) -> None:
    archive, spans = GZIP_HEADER, []
    for data, pack in row:
        deflated = pack(data)  # type: ignore[operator]
        spans.append(piece(len(deflated), len(data), crc32(data)))
        archive += deflated + filler(len(archive) + len(deflated))
        spans.append(piece(-(len(GZIP_HEADER) + joined(spans).length) % 4096, 0, 0))
    end, trailer = ending(joined(spans))
    archive += end
    whole = b"".join(data for data, _ in row)
    assert gzip.decompress(archive) == whole
    one = zlib.decompressobj(31)
    assert one.decompress(archive) == whole
    assert one.eof
    assert (trailer.length, trailer.crc, trailer.size) == (len(archive), zlib.crc32(whole), len(whole))


@given(st.binary(max_size=2000), st.sampled_from(KINDS))
def test_a_piece_is_inflated_by_itself(data: bytes, pack: object) -> None:
    deflated = pack(data)  # type: ignore[operator]
    assert unpacked(deflated, len(data)) == data
    assert zlib.decompressobj(-15).decompress(deflated) == data


@given(st.integers(0, 10_000_000))
def test_a_filler_is_nothing_and_ends_on_a_block(end: int) -> None:
    data = filler(end)
    assert (end + len(data)) % 4096 == 0
    assert len(data) < 2 * 4096
    assert zlib.decompressobj(-15).decompress(data) == b""


@pytest.mark.parametrize("data", [b"", b"x", b"\xff" * 100, packed(b"x" * 100, 5)[:-6]])
def test_what_is_no_piece_is_refused_or_other_data(data: bytes) -> None:
    try:
        assert unpacked(data, 100) != b"x" * 100
    except ValueError as error:
        assert str(error)  # noqa: PT017 (both are allowed)


@given(st.lists(st.binary(max_size=50)))
def test_rows_are_joined_in_any_grouping(parts: list[bytes]) -> None:
    spans = [piece(len(part), len(part), crc32(part)) for part in parts]
    for cut in range(len(spans) + 1):
        assert joined([joined(spans[:cut]), joined(spans[cut:])]) == joined(spans)
    assert joined([NOTHING, *spans, NOTHING]) == joined(spans)


def test_the_length_of_more_than_four_gibibytes_is_given_as_gzip_does() -> None:
    _, trailer = ending(joined([piece(1, 2**31, 0)] * 3))
    assert trailer.size == 2**31
