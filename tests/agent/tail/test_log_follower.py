import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.following import ROOM, append, size_of

from nodeagent.tail.log_follower import BACK, LONGEST, Follower, Lines, Skipped, Truncated


@pytest.mark.parametrize(
    ("lines", "expected"), [(0, []), (2, [b"two", b"three"]), (9, [b"one", b"two", b"three"])]
)
async def test_it_begins_with_as_many_of_the_last_lines(log: Path, lines: int, expected: list[bytes]) -> None:
    async with Follower(log) as follower:
        await follower.begin(lines)
        assert await follower.step(ROOM) == ([Lines(expected)] if expected else [])


async def test_of_a_large_file_only_the_end_is_read_for_the_last_lines(log: Path) -> None:
    log.write_bytes(b"x" * 2 * BACK + b"\nlast\n")
    async with Follower(log) as follower:
        await follower.begin(10)
        events = await follower.step(ROOM)
        assert events[-1] == Lines([b"last"])
        assert isinstance(events[0], Skipped)


async def test_what_is_appended_comes_in_whole_lines(log: Path, follower: Follower) -> None:
    append(log, b"four\nfi")
    assert await follower.step(ROOM) == [Lines([b"four"])]
    append(log, b"ve\n")
    assert await follower.step(ROOM) == [Lines([b"five"])]
    assert await follower.step(ROOM) == []


async def test_a_truncation_is_told_and_followed_once_there_is_room(log: Path, follower: Follower) -> None:
    log.write_bytes(b"")
    assert await follower.step(0) == []
    log.write_bytes(b"new\n")
    assert await follower.step(ROOM) == [Truncated(), Lines([b"new"])]


async def test_a_truncation_is_told_and_followed(log: Path, follower: Follower) -> None:
    log.write_bytes(b"new\n")
    assert await follower.step(ROOM) == [Truncated(), Lines([b"new"])]


async def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "node_log"
    async with Follower(path) as follower:
        await follower.begin(10)
        assert await follower.step(ROOM) == []
        path.write_bytes(b"first\n")
        assert await follower.step(ROOM) == [Lines([b"first"])]


async def test_what_does_not_fit_is_skipped_and_told(log: Path, follower: Follower) -> None:
    append(log, b"four\nfive\nsix\n")
    assert await follower.step(6) == [Skipped(len("four\nfive\n")), Lines([b"six"])]


async def test_without_room_everything_is_skipped_and_told_once_there_is_some(
    log: Path, follower: Follower
) -> None:
    append(log, b"four\n")
    assert await follower.step(0) == []
    append(log, b"five\n")
    assert await follower.step(0) == []
    append(log, b"six\n")
    assert await follower.step(ROOM) == [Skipped(len("four\nfive\n")), Lines([b"six"])]


async def test_a_line_without_an_end_is_bounded(log: Path, follower: Follower) -> None:
    append(log, b"x" * (LONGEST + 1))
    assert await follower.step(ROOM) == [Lines([b"x" * LONGEST])]
    append(log, b"\n")
    assert await follower.step(ROOM) == [Lines([b"x"])]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["append", "rotate"]), st.binary(max_size=40), st.integers(0, 60))))
def test_every_byte_is_shown_or_counted(
    tmp_path_factory: pytest.TempPathFactory, life: list[tuple[str, bytes, int]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "node_log"
    path.touch()

    async def follow() -> tuple[int, int]:
        written = seen = 0
        async with Follower(path) as follower:
            await follower.begin(0)
            for number, (deed, data, room) in enumerate([*life, ("append", b"", ROOM)]):
                append(path, data + b"\n")
                written += len(data) + 1
                seen += size_of(await follower.step(room))
                if deed == "rotate":
                    path.rename(path.with_suffix(f".{number}"))
                    path.touch()
                    seen += size_of(await follower.step(room))
            for _ in range(3):
                seen += size_of(await follower.step(ROOM))
        return written, seen

    written, seen = asyncio.run(follow())
    assert seen == written


async def test_an_error_of_the_disk_is_the_callers(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    async with Follower(folder) as follower:
        with pytest.raises(OSError, match=r"."):
            await follower.begin(0)
    assert os.listdir(folder) == []  # noqa: PTH208 (as short)
