"""An index is read back into the units it was made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.daemons.compressor.format.test_tar_headers import details

from nodelog.archive.index import InvalidIndexError, Trailer, decode_index, encode_index, encode_piece
from nodelogd.compressor.format.pieces import NOTHING, joined, piece
from nodelogd.compressor.format.units import CHUNK, Group, Large, Unit, group, units_of

TRAILER = Trailer(length=1, crc=2, size=3)
END = piece(20, 10240, 9)


def large(name: str, chunks: int, rest: int) -> Large:
    row = joined(piece(1000 + number, CHUNK, number) for number in range(chunks))
    return Large(
        replace(details(name, chunks * CHUNK + rest), header=512), piece(90, 512, 1), row, piece(50, 512, 4)
    )


def small(*names: str) -> Group:
    return group(tuple(details(name, 10) for name in names), piece(200, 1024 * len(names), 5))


def back(units: list[Unit]) -> list[Unit]:
    data = encode_index(TRAILER, [*(unit.lines for unit in units), END.lines])
    found, end = units_of(decode_index(data)[1])
    assert end == END
    return found


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
def test_units_come_back_as_they_were(units: list[Unit]) -> None:
    assert back(units) == units


def test_a_unit_is_as_long_as_its_pieces() -> None:
    unit = large("a", 2, 5)
    assert (unit.span.length, unit.span.size) == (90 + 1000 + 1001 + 50, 512 + 2 * CHUNK + 512)
    assert unit.chunks != NOTHING


@pytest.mark.parametrize(
    "units",
    [[replace(large("a", 2, 5), details=details("a", 5 * CHUNK))], [replace(small("a"), span=NOTHING)]],
)
def test_pieces_that_are_made_in_another_way_are_refused(units: list[Unit]) -> None:
    lines = [*(unit.lines for unit in units), encode_piece(1, 1, 1), encode_piece(1, 1, 1)]
    with pytest.raises(InvalidIndexError):
        units_of(decode_index(encode_index(TRAILER, [*lines, *lines]))[1])


def test_an_index_without_an_end_is_refused() -> None:
    with pytest.raises(InvalidIndexError, match="the end of the archive is not in it"):
        units_of(decode_index(encode_index(TRAILER, []))[1])
