"""Pieces can be joined in any sequence, and the result is one gzip member."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelogd.compressor.format.pieces import (
    EMPTY_SPAN,
    GZIP_HEADER,
    Span,
    alignment_filler,
    archive_end,
    compress_piece,
    compress_piece_fast,
    decompress_piece,
    join_spans,
)
from nodelogd.service.files.deflate import crc32

COMPRESSIONS = [
    lambda data: compress_piece(data, 5),
    lambda data: compress_piece(data, 6),
    compress_piece_fast,
]
sequences = st.lists(st.tuples(st.binary(max_size=2000), st.sampled_from(COMPRESSIONS)), max_size=8)


@given(sequences)
def test_any_sequence_of_pieces_is_one_gzip_member(pieces: list[tuple[bytes, object]]) -> None:
    archive, spans = GZIP_HEADER, []
    for data, compress in pieces:
        deflated = compress(data)  # type: ignore[operator]
        spans.append(Span(len(deflated), len(data), crc32(data)))
        archive += deflated + alignment_filler(len(archive) + len(deflated))
        spans.append(Span(-(len(GZIP_HEADER) + join_spans(spans).length) % 4096, 0, 0))
    end, trailer = archive_end(join_spans(spans))
    archive += end
    whole = b"".join(data for data, _ in pieces)
    assert gzip.decompress(archive) == whole
    member = zlib.decompressobj(31)
    assert member.decompress(archive) == whole
    assert member.eof
    assert (trailer.length, trailer.crc, trailer.size) == (len(archive), zlib.crc32(whole), len(whole))


@given(st.binary(max_size=2000), st.sampled_from(COMPRESSIONS))
def test_a_piece_can_be_inflated_alone(data: bytes, compress: object) -> None:
    deflated = compress(data)  # type: ignore[operator]
    assert decompress_piece(deflated, len(data)) == data
    assert zlib.decompressobj(-15).decompress(deflated) == data


@given(st.integers(0, 10_000_000))
def test_a_filler_has_no_content_and_ends_on_a_block_boundary(end: int) -> None:
    data = alignment_filler(end)
    assert (end + len(data)) % 4096 == 0
    assert len(data) < 2 * 4096
    assert zlib.decompressobj(-15).decompress(data) == b""


@pytest.mark.parametrize("data", [b"", b"x", b"\xff" * 100, compress_piece(b"x" * 100, 5)[:-6]])
def test_invalid_data_is_rejected_or_decompresses_to_other_data(data: bytes) -> None:
    try:
        assert decompress_piece(data, 100) != b"x" * 100
    except ValueError as error:
        assert str(error)  # noqa: PT017 (both are allowed)


@given(st.lists(st.binary(max_size=50)))
def test_joining_spans_is_associative(parts: list[bytes]) -> None:
    spans = [Span(len(part), len(part), crc32(part)) for part in parts]
    for cut in range(len(spans) + 1):
        assert join_spans([join_spans(spans[:cut]), join_spans(spans[cut:])]) == join_spans(spans)
    assert join_spans([EMPTY_SPAN, *spans, EMPTY_SPAN]) == join_spans(spans)


def test_a_size_above_four_gibibytes_wraps_as_in_gzip() -> None:
    _, trailer = archive_end(join_spans([Span(1, 2**31, 0)] * 3))
    assert trailer.size == 2**31
