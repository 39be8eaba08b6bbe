from nodelog.spool.blocks import BLOCK_BYTES, drop_notice
from nodelog.spool.memory_spool import MemorySpool
from nodelog.spool.spool import Spool

NOBODY = b""


def full_block(letter: bytes) -> list[bytes]:
    return [letter * (BLOCK_BYTES // 64 - 1)] * 64


def held(spool: Spool) -> list[bytes]:
    return [spool.read(block) for stream in spool.streams() for block in spool.blocks(stream)]


def numbers(spool: Spool) -> list[int]:
    return [block.number for block in spool.blocks(spool.stream)]


def test_lines_gather_in_a_block_until_it_is_sealed() -> None:
    spool = MemorySpool()
    spool.append([b"a", b"b"])
    spool.append([b"c"])
    (block,) = spool.blocks(spool.stream)
    assert spool.is_open(block)
    spool.seal(block)
    spool.append([b"d"])
    assert held(spool) == [b"a\nb\nc\n", b"d\n"]
    assert numbers(spool) == [1, 2]
    assert (spool.lines, spool.size) == (4, 8)


def test_a_full_block_takes_no_more() -> None:
    spool = MemorySpool()
    spool.append(full_block(b"a"))
    spool.append([b""])
    assert [len(data) for data in held(spool)] == [BLOCK_BYTES, 1]


def test_what_is_forgotten_leaves_in_order_and_numbers_go_on() -> None:
    spool = MemorySpool()
    for line in (b"a", b"b", b"c"):
        spool.append([line])
        spool.seal(spool.blocks(spool.stream)[-1])
    spool.forget(spool.stream, 2)
    assert (numbers(spool), spool.lowest(spool.stream), spool.removed) == ([3], 3, 2)
    spool.forget(spool.stream, 3)
    assert spool.streams() == []
    assert (spool.lowest(spool.stream), spool.lines, spool.size, spool.removed) == (4, 0, 0, 3)
    spool.append([b"d"])
    assert numbers(spool) == [4]


def test_an_open_block_that_is_forgotten_takes_no_more() -> None:
    spool = MemorySpool()
    spool.append([b"a"])
    spool.forget(spool.stream, 1)
    spool.append([b"b"])
    assert (numbers(spool), held(spool)) == ([2], [b"b\n"])


def test_the_oldest_is_dropped_and_a_line_in_its_place_tells_so() -> None:
    spool = MemorySpool()
    for letter in (b"a", b"b", b"c"):
        spool.append(full_block(letter))
    assert spool.drop_oldest(NOBODY, 0) == 64
    assert spool.drop_oldest(NOBODY, 0) == 64
    assert held(spool) == [
        b"nodelog: dropped 128 lines (spool full)\n",
        b"".join(line + b"\n" for line in full_block(b"c")),
    ]
    assert numbers(spool) == [2, 3]
    assert (spool.dropped, spool.lines) == (128, 65)


def test_a_line_that_tells_of_dropped_ones_is_not_dropped_itself() -> None:
    spool = MemorySpool()
    spool.append([drop_notice(10), b"a"])
    spool.append([b"b", drop_notice(20)])
    spool.append([b"c"])
    assert held(spool) == [
        b"nodelog: dropped 10 lines (spool full)\n",
        b"a\nb\n",
        b"nodelog: dropped 20 lines (spool full)\n",
        b"c\n",
    ]
    while spool.drop_oldest(NOBODY, 0):
        pass
    assert held(spool) == [b"nodelog: dropped 33 lines (spool full)\n"]
    assert (spool.dropped, spool.lines, spool.size) == (3, 1, len(held(spool)[0]))


def test_what_is_held_and_what_is_gone_are_together_all_that_ever_came() -> None:
    spool = MemorySpool()
    for letter in (b"a", b"b", b"c"):
        spool.append(full_block(letter))
    for _ in range(2):
        spool.drop_oldest(NOBODY, 0)
        assert spool.removed + spool.lines == 3 * 64
    spool.forget(spool.stream, 2)
    assert (spool.removed, spool.lines) == (128, 64)


def test_what_is_in_flight_is_not_dropped() -> None:
    spool = MemorySpool()
    for letter in (b"a", b"b", b"c"):
        spool.append(full_block(letter))
    assert spool.drop_oldest(spool.stream, 1) == 64
    assert spool.drop_oldest(spool.stream, 1) == 64
    assert spool.drop_oldest(spool.stream, 1) == 0
    assert numbers(spool) == [1, 3]
    assert held(spool)[1] == b"nodelog: dropped 128 lines (spool full)\n"


def test_a_dropped_block_that_was_open_takes_no_more() -> None:
    spool = MemorySpool()
    spool.append([b"a"])
    spool.drop_oldest(NOBODY, 0)
    spool.append([b"b"])
    assert held(spool) == [b"nodelog: dropped 1 lines (spool full)\n", b"b\n"]


def test_a_block_that_is_in_the_way_is_dropped_from_memory_and_counted() -> None:
    spool = MemorySpool()
    spool.append([b"bad", b"worse"])
    spool.seal(spool.blocks(spool.stream)[0])
    spool.append([b"good"])
    assert spool.set_aside(spool.stream, "nobody wants it") == "dropped 2 lines: nobody wants it"
    assert (held(spool), spool.dropped, spool.removed, spool.lines) == ([b"good\n"], 2, 2, 1)


def test_a_stream_gets_another_name_and_keeps_its_numbers() -> None:
    spool = MemorySpool()
    spool.append([b"a"])
    spool.seal(spool.blocks(spool.stream)[0])
    spool.append([b"b"])
    spool.forget(spool.stream, 1)
    old = spool.stream
    spool.rename_stream(old)
    assert spool.stream != old
    assert spool.streams() == [spool.stream]
    assert (numbers(spool), held(spool)) == ([2], [b"b\n"])


def test_two_spools_have_two_streams() -> None:
    assert MemorySpool().stream != MemorySpool().stream
    assert len(MemorySpool().stream) == 16
