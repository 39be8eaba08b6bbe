"""The units of an archive are restored from its index."""

from __future__ import annotations

import pytest
from tests.daemons.compressor.format.test_tar_headers import metadata

from nodelog.archive.index import InvalidIndexError
from nodelog.archive.index_blocks import PieceSize, encode_block
from nodelogd.compressor.format.pieces import Span
from nodelogd.compressor.format.units import CHUNK, MAX_PIECE, Unit, make_unit, read_unit


def large(name: str, chunks: int, rest: int) -> Unit:
    pieces = [Span(1000 + number, CHUNK, number) for number in range(chunks)]
    member = metadata(name, chunks * CHUNK + rest)._replace(header=512)
    tail = Span(50, -(-rest // 512) * 512, 4)
    return make_unit([member], [Span(90, 512, 1), *pieces, tail], is_large=True)


def small(*names: str) -> Unit:
    members = [metadata(name, 10)._replace(header=512) for name in names]
    return make_unit(members, [Span(200, 1024 * len(names), 5)], is_large=False)


@pytest.mark.parametrize(
    "unit",
    [small("a"), small("a", "b", "c"), large("a", 0, 200_000), large("a", 3, 0), large("b", 1, 1)],
    ids=["one", "group", "no whole MiB", "whole MiBs", "both"],
)
def test_units_are_read_from_the_index_unchanged(unit: Unit) -> None:
    assert read_unit(unit.block) == unit


def test_the_end_of_an_archive_has_no_members() -> None:
    assert read_unit(encode_block([], [PieceSize(20, 10240, 9)])) == Span(20, 10240, 9)


def test_a_unit_knows_its_names_pieces_and_positions() -> None:
    unit = small("a", "b", "c")
    assert (unit.count, unit.first_name, unit.last_name) == (3, b"a", b"c")
    assert unit.contents().positions == {"a": (0, 0), "b": (1, 1024), "c": (2, 2048)}
    unit = large("a", 2, 5)
    assert (unit.span.length, unit.span.size) == (90 + 1000 + 1001 + 50, 512 + 2 * CHUNK + 512)
    assert [len(unit.contents().chunks), unit.contents().tail.length] == [2, 50]


def test_a_unit_matches_its_files_only_if_all_of_them_are_unchanged() -> None:
    unit = small("a", "b")
    assert unit.matches([b"a", b"b"], unit.rows)
    assert not unit.matches([b"a", b"c"], unit.rows)
    assert not unit.matches([b"a", b"b"], unit.rows[::-1])
    assert not unit.with_row(1, unit.rows[::-1][: len(unit.rows) // 2]).matches([b"a", b"b"], unit.rows)


@pytest.mark.parametrize(
    ("length", "pieces"),
    [
        (2 * CHUNK, [(90, 512), (1000, CHUNK), (1000, CHUNK)]),
        (10, [(200, 512), (200, 512), (200, 512)]),
        (10, [(200, 5120)]),
        (MAX_PIECE, [(200, MAX_PIECE + 512)]),
    ],
)
def test_pieces_in_another_layout_are_rejected(length: int, pieces: list[tuple[int, int]]) -> None:
    member = metadata("a", length)._replace(header=512)
    with pytest.raises(InvalidIndexError):
        read_unit(encode_block([member], [PieceSize(*piece, 1) for piece in pieces]))
