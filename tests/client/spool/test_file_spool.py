from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.spool.spool_files import WRITER, abandon, held

from nodelog.spool.blocks import BLOCK_BYTES, SpoolError
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.memory_spool import MemorySpool

if TYPE_CHECKING:
    from pathlib import Path

    from nodelog.spool.spool import Spool


NO_STREAM = b""
"""A stream that no spool has, so that none of its blocks is in flight."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_the_next_run_finds_blocks_under_their_stream_and_number(path: Path) -> None:
    first = FileSpool(path)
    first.append([b"a", b"b"])
    first.seal(first.blocks(first.stream)[0])
    first.append([b"c"])
    expected = held(first)
    abandon(first)
    second = FileSpool(path)
    assert held(second) == expected == {first.stream: [(1, b"a\nb\n"), (2, b"c\n")]}
    assert (second.lines, second.size) == (3, 6)
    assert second.stream != first.stream
    second.append([b"d"])
    assert list(held(second)) == [first.stream, second.stream]
    assert held(second)[second.stream] == [(1, b"d\n")]
    second.close()


def test_forgotten_blocks_come_back_only_after_a_crash(path: Path) -> None:
    spool = FileSpool(path)
    for line in (b"a", b"b", b"c"):
        spool.append([line])
        spool.seal(spool.blocks(spool.stream)[-1])
    spool.forget(spool.stream, 1)
    spool.commit_removals()
    spool.forget(spool.stream, 2)
    abandon(spool)
    spool = FileSpool(path)
    (stream,) = spool.streams()
    assert held(spool)[stream] == [(2, b"b\n"), (3, b"c\n")]
    spool.forget(stream, 2)
    spool.append([b"d"])
    abandon(spool)
    spool = FileSpool(path)
    assert list(held(spool).values()) == [[(3, b"c\n")], [(1, b"d\n")]]
    spool.forget(stream, 3)
    spool.sync_removals()
    abandon(spool)
    spool = FileSpool(path)
    assert list(held(spool).values()) == [[(1, b"d\n")]]
    spool.close()


def test_a_killed_process_leaves_every_line_that_it_stored(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        while int(writer.stdout.readline()) < 100:
            pass
        writer.send_signal(signal.SIGKILL)
        printed = writer.stdout.read().splitlines()
    stored = max([int(line) for line in printed[:-1]], default=100)
    spool = FileSpool(path)
    (blocks,) = held(spool).values()
    lines = b"".join(data for _, data in blocks).splitlines()
    assert lines == [b"line %d" % number for number in range(len(lines))]
    assert stored < len(lines) <= stored + 3
    spool.close()


def test_blocks_that_are_not_in_memory_are_read_from_the_file(path: Path) -> None:
    spool = FileSpool(path)
    lines = [b"%d " % number * 8000 for number in range(200)]
    for line in lines:
        spool.append([line])
    blocks = spool.blocks(spool.stream)
    assert sum(block.chunks is None for block in blocks) > 20
    assert sum(len(piece) for block in blocks for piece in block.chunks or ()) <= 4 * 1024 * 1024
    assert b"".join(data for _, data in held(spool)[spool.stream]) == b"".join(line + b"\n" for line in lines)
    spool.close()


def test_a_dropped_block_stays_dropped(path: Path) -> None:
    spool = FileSpool(path)
    for letter in (b"a", b"b", b"c"):
        spool.append([letter * BLOCK_BYTES])
    assert [spool.drop_oldest(NO_STREAM, 0) for _ in range(2)] == [1, 1]
    expected = held(spool)
    abandon(spool)
    spool = FileSpool(path)
    assert held(spool) == expected
    (stream,) = spool.streams()
    assert held(spool)[stream][0] == (2, b"nodelog: dropped 2 lines (spool full)\n")
    assert spool.drop_oldest(NO_STREAM, 0) == 1
    assert held(spool)[stream] == [(3, b"nodelog: dropped 3 lines (spool full)\n")]
    spool.close()


def test_a_block_that_is_set_aside_is_kept_and_never_sent_again(path: Path) -> None:
    spool = FileSpool(path)
    spool.append([b"bad", b"worse"])
    spool.seal(spool.blocks(spool.stream)[0])
    spool.append([b"good"])
    assert spool.set_aside(spool.stream, "it bites") == f"set aside 2 lines in {path}: it bites"
    assert (spool.aside, spool.removed, spool.lines) == (2, 2, 1)
    stream = spool.stream
    abandon(spool)
    spool = FileSpool(path)
    assert held(spool) == {stream: [(2, b"good\n")]}
    spool.close()
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT why, stream, block, lines, data FROM aside").fetchall()
    assert rows == [("it bites", stream, 1, 2, b"bad\nworse\n")]


def test_the_bytes_set_aside_are_limited(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodelog.spool.file_spool._MAX_ASIDE_BYTES", 10)
    spool = FileSpool(path)
    for line in (b"123456", b"7890"):
        spool.append([line])
        spool.seal(spool.blocks(spool.stream)[-1])
    assert spool.set_aside(spool.stream, "why").startswith("set aside 1 lines")
    assert spool.set_aside(spool.stream, "why") == "dropped 1 lines: why"
    assert (spool.aside, spool.dropped, spool.lines) == (1, 1, 0)
    spool.close()


def test_a_renamed_stream_keeps_its_new_name_in_the_next_run(path: Path) -> None:
    spool = FileSpool(path)
    spool.rename_stream(spool.stream)
    spool.append([b"a"])
    spool.rename_stream(spool.stream)
    expected = held(spool)
    abandon(spool)
    spool = FileSpool(path)
    assert held(spool) == expected
    spool.rename_stream(*expected)
    assert list(held(spool).values()) == list(expected.values())
    assert held(spool).keys() != expected.keys()
    spool.close()


STEPS = st.lists(
    st.tuples(st.just("append"), st.integers(1, BLOCK_BYTES))
    | st.tuples(st.sampled_from(["seal", "forget", "drop", "aside", "rename", "settle"]), st.integers(0, 3)),
    max_size=30,
)


def apply(spool: Spool, step: str, number: int) -> None:
    """Take one of the steps that a delivery session takes."""
    stream = next(iter(spool.streams()), spool.stream)
    blocks = spool.blocks(stream)
    if step == "append":
        spool.append([b"x" * number])
    elif step == "settle":
        spool.commit_removals()
    elif step == "rename":
        spool.rename_stream(stream)
    elif not blocks:
        pass
    elif step == "seal":
        spool.seal(blocks[-1])
    elif step == "forget":
        spool.forget(stream, blocks[0].number + number - 1)
    elif step == "drop":
        spool.drop_oldest(stream, number)
    elif step == "aside":
        spool.set_aside(stream, "why")


def held_blocks(spool: Spool) -> list[list[tuple[int, bytes]]]:
    """Return all blocks held, without the names of the streams, which are random."""
    return list(held(spool).values())


@given(STEPS)
def test_a_file_spool_holds_what_a_memory_spool_would(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("spools") / "spool"
    in_file, in_memory = FileSpool(path), MemorySpool()
    for step, number in steps:
        apply(in_file, step, number)
        apply(in_memory, step, number)
        assert held_blocks(in_file) == held_blocks(in_memory)
        assert (in_file.lines, in_file.size, in_file.removed) == (
            in_memory.lines,
            in_memory.size,
            in_memory.removed,
        )
    in_file.commit_removals()
    expected = held(in_file)
    abandon(in_file)
    again = FileSpool(path)
    assert held(again) == expected
    assert (again.lines, again.size) == (in_memory.lines, in_memory.size)
    again.close()


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_path_without_a_file_name_is_an_error(name: str) -> None:
    with pytest.raises(SpoolError, match="does not name a file; choose another"):
        FileSpool(name)
