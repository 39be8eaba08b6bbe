"""What every spool does with its blocks, shown with the one in memory."""

from nodelog.spool.blocks import BLOCK_BYTES, drop_notice
from nodelog.spool.memory_spool import MemorySpool
from nodelog.spool.spool import Spool

NO_STREAM = b""
"""A stream that no spool has, so that none of its blocks is in flight."""


def full_block(letter: bytes) -> list[bytes]:
    """Return lines that fill a block."""
    return [letter * (BLOCK_BYTES // 64 - 1)] * 64


def held_data(spool: Spool) -> list[bytes]:
    """Return the data of all blocks."""
    return [spool.read(block) for stream in spool.streams() for block in spool.blocks(stream)]


def block_numbers(spool: Spool) -> list[int]:
    """Return the numbers of the blocks of this run."""
    return [block.number for block in spool.blocks(spool.stream)]


def test_lines_gather_in_a_block_until_it_is_sealed() -> None:
    spool = MemorySpool()
    spool.append([b"a", b"b"])
    spool.append([b"c"])
    (block,) = spool.blocks(spool.stream)
    assert spool.is_open(block)
    spool.seal(block)
    spool.append([b"d"])
    assert held_data(spool) == [b"a\nb\nc\n", b"d\n"]
    assert block_numbers(spool) == [1, 2]
    assert (spool.lines, spool.size) == (4, 8)


def test_a_full_block_takes_no_more_lines() -> None:
    spool = MemorySpool()
    spool.append(full_block(b"a"))
    spool.append([b""])
    assert [len(data) for data in held_data(spool)] == [BLOCK_BYTES, 1]


def test_forgotten_blocks_leave_in_order_and_numbers_continue() -> None:
    spool = MemorySpool()
    for line in (b"a", b"b", b"c"):
        spool.append([line])
        spool.seal(spool.blocks(spool.stream)[-1])
    spool.forget(spool.stream, 2)
    assert (block_numbers(spool), spool.lowest(spool.stream), spool.removed) == ([3], 3, 2)
    spool.forget(spool.stream, 3)
    assert spool.streams() == []
    assert (spool.lowest(spool.stream), spool.lines, spool.size, spool.removed) == (4, 0, 0, 3)
    spool.append([b"d"])
    assert block_numbers(spool) == [4]


def test_an_open_block_that_is_forgotten_takes_no_more_lines() -> None:
    spool = MemorySpool()
    spool.append([b"a"])
    spool.forget(spool.stream, 1)
    spool.append([b"b"])
    assert (block_numbers(spool), held_data(spool)) == ([2], [b"b\n"])


def test_dropped_blocks_are_replaced_by_one_notice() -> None:
    spool = MemorySpool()
    for letter in (b"a", b"b", b"c"):
        spool.append(full_block(letter))
    assert spool.drop_oldest(NO_STREAM, 0) == 64
    assert spool.drop_oldest(NO_STREAM, 0) == 64
    assert held_data(spool) == [
        b"nodelog: dropped 128 lines (spool full)\n",
        b"".join(line + b"\n" for line in full_block(b"c")),
    ]
    assert block_numbers(spool) == [2, 3]
    assert (spool.dropped, spool.lines) == (128, 65)


def test_drop_notices_are_merged_and_never_lost() -> None:
    spool = MemorySpool()
    spool.append([drop_notice(10), b"a"])
    spool.append([b"b", drop_notice(20)])
    spool.append([b"c"])
    assert held_data(spool) == [
        b"nodelog: dropped 10 lines (spool full)\n",
        b"a\nb\n",
        b"nodelog: dropped 20 lines (spool full)\n",
        b"c\n",
    ]
    while spool.drop_oldest(NO_STREAM, 0):
        pass
    assert held_data(spool) == [b"nodelog: dropped 33 lines (spool full)\n"]
    assert (spool.dropped, spool.lines, spool.size) == (3, 1, len(held_data(spool)[0]))


def test_held_and_removed_lines_add_up_to_all_that_ever_came() -> None:
    spool = MemorySpool()
    for letter in (b"a", b"b", b"c"):
        spool.append(full_block(letter))
    for _ in range(2):
        spool.drop_oldest(NO_STREAM, 0)
        assert spool.removed + spool.lines == 3 * 64
    spool.forget(spool.stream, 2)
    assert (spool.removed, spool.lines) == (128, 64)


def test_blocks_in_flight_are_not_dropped() -> None:
    spool = MemorySpool()
    for letter in (b"a", b"b", b"c"):
        spool.append(full_block(letter))
    assert spool.drop_oldest(spool.stream, 1) == 64
    assert spool.drop_oldest(spool.stream, 1) == 64
    assert spool.drop_oldest(spool.stream, 1) == 0
    assert block_numbers(spool) == [1, 3]
    assert held_data(spool)[1] == b"nodelog: dropped 128 lines (spool full)\n"


def test_a_dropped_block_that_was_open_takes_no_more_lines() -> None:
    spool = MemorySpool()
    spool.append([b"a"])
    spool.drop_oldest(NO_STREAM, 0)
    spool.append([b"b"])
    assert held_data(spool) == [b"nodelog: dropped 1 lines (spool full)\n", b"b\n"]


def test_a_renamed_stream_keeps_its_block_numbers() -> None:
    spool = MemorySpool()
    spool.append([b"a"])
    spool.seal(spool.blocks(spool.stream)[0])
    spool.append([b"b"])
    spool.forget(spool.stream, 1)
    old = spool.stream
    spool.rename_stream(old)
    assert spool.stream != old
    assert spool.streams() == [spool.stream]
    assert (block_numbers(spool), held_data(spool)) == ([2], [b"b\n"])


def test_two_spools_have_different_streams() -> None:
    assert MemorySpool().stream != MemorySpool().stream
    assert len(MemorySpool().stream) == 16
