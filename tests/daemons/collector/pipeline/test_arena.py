from __future__ import annotations

import pytest

from nodelogd.collector.pipeline.arena import ARENA_SIZE, Arena, ArenaPool


def test_added_bytes_are_appended() -> None:
    arena = Arena(100)
    arena.add(b"one\n", memoryview(b"two\n"))
    arena.add(b"three\n")
    assert bytes(arena.view[: arena.end]) == b"one\ntwo\nthree\n"


@pytest.mark.parametrize(("start", "stop", "end"), [(0, 8, 8), (0, 7, 4), (4, 7, 0), (4, 8, 8), (0, 3, 0)])
def test_the_last_line_end_is_found_between_two_offsets(start: int, stop: int, end: int) -> None:
    arena = Arena(100)
    arena.add(b"one\ntwo\nrest")
    assert arena.last_line_end(start, stop) == end


def test_a_full_arena_has_headroom_for_one_more_addition() -> None:
    arena = Arena(100)
    arena.add(bytes(ARENA_SIZE - 1))
    before = arena.is_full
    arena.add(bytes(101))
    assert (before, arena.is_full) == (False, True)
    with pytest.raises(ValueError, match="different structures"):
        arena.add(b"x")


def test_the_writer_has_one_arena_while_the_other_fills() -> None:
    arenas = ArenaPool(100, lambda: None)
    arenas.current.add(b"first\n")
    first = arenas.swap()
    assert first is not None
    assert bytes(first.view[: first.end]) == b"first\n"
    assert arenas.current is not first
    assert (arenas.current.end, arenas.unwritten) == (0, 6)
    arenas.note_written(6)
    assert (first.end, arenas.unwritten) == (6, 0)  # written, but kept while its lines may be lost
    arenas.release(first)
    assert first.is_empty


def test_swap_fails_while_the_writer_has_the_other_arena_and_its_release_is_announced_once() -> None:
    releases: list[int] = []
    arenas = ArenaPool(100, lambda: releases.append(1))
    first = arenas.swap()
    assert first is not None
    arenas.current.add(b"second\n")
    assert arenas.swap() is None
    assert arenas.swap() is None
    assert arenas.current.end == 7
    arenas.release(first)
    assert len(releases) == 1
    second = arenas.swap()
    assert second is not None
    arenas.release(second)
    assert len(releases) == 1  # nothing waited for it


def test_spare_arenas_are_lent_while_acks_are_owed_up_to_the_limit() -> None:
    arenas = ArenaPool(100, lambda: None, spare=2)
    submitted = []
    for _ in range(3):
        arenas.current.add_acks(object(), 1)
        submitted.append(arenas.swap())
    assert all(submitted)
    arenas.current.add_acks(object(), 1)
    assert arenas.swap() is None
    for arena in submitted:
        assert arena is not None
        arenas.release(arena)
    assert arenas.swap() is not None
    assert arenas.swap() is None  # no acks are owed now, and the spare arenas are back


def test_no_spare_arena_is_lent_when_no_acks_are_owed() -> None:
    arenas = ArenaPool(100, lambda: None, spare=2)
    arenas.swap()
    arenas.current.add(b"a line\n")
    assert arenas.swap() is None
