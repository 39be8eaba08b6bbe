"""Members are found by name and by inode, and take little memory."""

from __future__ import annotations

import os
import tracemalloc

import pytest
from tests.daemons.compressor.format.test_tar_headers import metadata

from nodelogd.compressor.format.member_table import MemberTable
from nodelogd.compressor.format.pieces import Span
from nodelogd.compressor.format.signatures import file_row, member_row
from nodelogd.compressor.format.units import Unit, make_unit


def group(*names: str) -> Unit:
    members = [metadata(name, 100)._replace(header=512, seen=100) for name in names]
    return make_unit(members, [Span(200, 1024 * len(names), 5)], is_large=False)


@pytest.fixture
def table() -> MemberTable:
    large = metadata("c", 200_000)._replace(header=512, inode=7)
    return MemberTable(
        [
            group("a", "b"),
            make_unit([large], [Span(1, 512, 1), Span(1, 200_192, 1)], is_large=True),
            group("d"),
        ]
    )


def test_a_member_is_found_by_its_name(table: MemberTable) -> None:
    for name, unit, number in (("a", 0, 0), ("b", 0, 1), ("c", 1, 0), ("d", 2, 0), ("a", 0, 0)):
        found = table.find(name)
        assert found is not None
        assert (found.metadata.name, found.unit, found.number) == (name, unit, number)
    assert [table.find(name) for name in ("", "aa", "bb", "cc", "e")] == [None] * 5


def test_a_large_file_is_found_by_its_inode(table: MemberTable) -> None:
    found = table.find_inode(3, 7)
    assert found is not None
    assert found.metadata.name == "c"
    assert table.find_inode(3, 8) is None


def test_an_edited_member_does_not_match_its_file_any_more(table: MemberTable) -> None:
    found = table.find("b")
    assert found is not None
    before = table.units[0].rows
    table.mark_edited("b")
    assert table.is_edited(found)
    assert not table.units[0].matches([b"a", b"b"], before)


def test_a_file_takes_less_than_two_hundred_bytes_between_cycles() -> None:
    tracemalloc.start()
    units = [
        group(*(f"var/log/pods/app-{unit:03}-{number:03}.log" for number in range(250))) for unit in range(40)
    ]
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size / sum(unit.count for unit in units) < 200


def test_the_row_of_a_member_is_that_of_its_file_unless_it_is_not_complete() -> None:
    status = os.stat(__file__)
    member = metadata("x", status.st_size)._replace(
        device=status.st_dev, inode=status.st_ino, seen=status.st_size,
        mtime_ns=status.st_mtime_ns, ctime_ns=status.st_ctime_ns,
    )  # fmt: skip
    assert member_row(member) == file_row(status)
    assert member_row(member._replace(length=member.length - 1)) != file_row(status)
    assert member_row(member._replace(ctime_ns=0)) != file_row(status)
