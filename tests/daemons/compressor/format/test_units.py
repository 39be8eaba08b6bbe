"""The units of an archive are restored from its index."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.daemons.compressor.format.test_tar_headers import metadata

from nodelog.archive.index import InvalidIndexError, Trailer, decode_index, encode_index, encode_piece
from nodelogd.compressor.format.pieces import EMPTY_SPAN, join_spans, piece_span
from nodelogd.compressor.format.units import CHUNK, GroupUnit, LargeUnit, Unit, make_group, parse_units

TRAILER = Trailer(length=1, crc=2, size=3)
END = piece_span(20, 10240, 9)


def large(name: str, chunks: int, rest: int) -> LargeUnit:
    chunk_spans = join_spans(piece_span(1000 + number, CHUNK, number) for number in range(chunks))
    return LargeUnit(
        replace(metadata(name, chunks * CHUNK + rest), header=512),
        piece_span(90, 512, 1),
        chunk_spans,
        piece_span(50, 512, 4),
    )


def small(*names: str) -> GroupUnit:
    return make_group(tuple(metadata(name, 10) for name in names), piece_span(200, 1024 * len(names), 5))


def from_index(units: list[Unit]) -> list[Unit]:
    data = encode_index(TRAILER, [*(unit.lines for unit in units), END.lines])
    parsed, end = parse_units(decode_index(data)[1])
    assert end == END
    return parsed


@pytest.mark.parametrize(
    "units",
    [
        [],
        [small("a")],
        [small("a", "b", "c"), small("d", "e")],
        [large("a", 0, 200_000)],
        [large("a", 3, 0), large("b", 1, 1), small("c"), large("d", 2, CHUNK - 1), small("e", "f")],
    ],
    ids=["none", "one", "groups", "no whole MiB", "all"],
)
def test_units_are_parsed_from_the_index_unchanged(units: list[Unit]) -> None:
    assert from_index(units) == units


def test_the_length_of_a_unit_is_the_sum_of_its_pieces() -> None:
    unit = large("a", 2, 5)
    assert (unit.span.length, unit.span.size) == (90 + 1000 + 1001 + 50, 512 + 2 * CHUNK + 512)
    assert unit.chunks != EMPTY_SPAN


@pytest.mark.parametrize(
    "units",
    [[replace(large("a", 2, 5), metadata=metadata("a", 5 * CHUNK))], [replace(small("a"), span=EMPTY_SPAN)]],
)
def test_pieces_in_another_layout_are_rejected(units: list[Unit]) -> None:
    lines = [*(unit.lines for unit in units), encode_piece(1, 1, 1), encode_piece(1, 1, 1)]
    with pytest.raises(InvalidIndexError):
        parse_units(decode_index(encode_index(TRAILER, [*lines, *lines]))[1])


def test_an_index_without_an_end_is_rejected() -> None:
    with pytest.raises(InvalidIndexError, match="the end of the archive is not in it"):
        parse_units(decode_index(encode_index(TRAILER, []))[1])
