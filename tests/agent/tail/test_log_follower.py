import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.growing_log import ROOM, append, bytes_covered

from nodeagent.tail.log_follower import LOOKBACK, MAX_LINE, Lines, LogFollower, Skipped, Truncated


@pytest.mark.parametrize(
    ("lines", "expected"), [(0, []), (2, [b"two", b"three"]), (9, [b"one", b"two", b"three"])]
)
async def test_it_begins_with_the_requested_number_of_last_lines(
    log: Path, lines: int, expected: list[bytes]
) -> None:
    async with LogFollower(log) as follower:
        await follower.seek_last(lines)
        assert await follower.poll(ROOM) == ([Lines(expected)] if expected else [])


async def test_only_the_end_of_a_large_file_is_searched_for_the_last_lines(log: Path) -> None:
    log.write_bytes(b"x" * 2 * LOOKBACK + b"\nlast\n")
    async with LogFollower(log) as follower:
        await follower.seek_last(10)
        events = await follower.poll(ROOM)
        assert events[-1] == Lines([b"last"])
        assert isinstance(events[0], Skipped)


async def test_appended_data_comes_in_whole_lines(log: Path, follower: LogFollower) -> None:
    append(log, b"four\nfi")
    assert await follower.poll(ROOM) == [Lines([b"four"])]
    append(log, b"ve\n")
    assert await follower.poll(ROOM) == [Lines([b"five"])]
    assert await follower.poll(ROOM) == []


async def test_a_truncation_is_reported_once_there_is_room(log: Path, follower: LogFollower) -> None:
    log.write_bytes(b"")
    assert await follower.poll(0) == []
    log.write_bytes(b"new\n")
    assert await follower.poll(ROOM) == [Truncated(), Lines([b"new"])]


async def test_a_truncation_is_reported_and_followed(log: Path, follower: LogFollower) -> None:
    log.write_bytes(b"new\n")
    assert await follower.poll(ROOM) == [Truncated(), Lines([b"new"])]


async def test_a_truncated_log_that_has_outgrown_its_old_size_is_followed_from_its_beginning(
    log: Path, follower: LogFollower
) -> None:
    append(log, b"four\n")
    assert await follower.poll(ROOM) == [Lines([b"four"])]
    log.write_bytes(b"a new line that is longer than all before\nand another\n")
    expected = [b"a new line that is longer than all before", b"and another"]
    assert await follower.poll(ROOM) == [Truncated(), Lines(expected)]
    append(log, b"more\n")
    assert await follower.poll(ROOM) == [Lines([b"more"])]


async def test_a_log_that_is_rewritten_to_the_same_size_is_followed_from_its_beginning(
    log: Path, follower: LogFollower
) -> None:
    log.write_bytes(b"ONE\nTWO\nTHREE\n")
    os.utime(log, ns=(1, 1))  # the clock's tick may be too coarse to show the write
    assert await follower.poll(ROOM) == [Truncated(), Lines([b"ONE", b"TWO", b"THREE"])]


async def test_a_log_that_does_not_exist_yet_is_awaited(tmp_path: Path) -> None:
    path = tmp_path / "node_log"
    async with LogFollower(path) as follower:
        await follower.seek_last(10)
        assert await follower.poll(ROOM) == []
        path.write_bytes(b"first\n")
        assert await follower.poll(ROOM) == [Lines([b"first"])]


async def test_what_does_not_fit_is_skipped_and_reported(log: Path, follower: LogFollower) -> None:
    append(log, b"four\nfive\nsix\n")
    assert await follower.poll(6) == [Skipped(len("four\nfive\n")), Lines([b"six"])]


async def test_without_room_everything_is_skipped_and_reported_once_there_is_some(
    log: Path, follower: LogFollower
) -> None:
    append(log, b"four\n")
    assert await follower.poll(0) == []
    append(log, b"five\n")
    assert await follower.poll(0) == []
    append(log, b"six\n")
    assert await follower.poll(ROOM) == [Skipped(len("four\nfive\n")), Lines([b"six"])]


async def test_a_line_without_a_lf_is_bounded(log: Path, follower: LogFollower) -> None:
    append(log, b"x" * (MAX_LINE + 1))
    assert await follower.poll(ROOM) == [Lines([b"x" * MAX_LINE])]
    append(log, b"\n")
    assert await follower.poll(ROOM) == [Lines([b"x"])]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["append", "rotate"]), st.binary(max_size=40), st.integers(0, 60))))
def test_every_byte_is_shown_or_counted_as_skipped(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, bytes, int]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "node_log"
    path.touch()

    async def follow() -> tuple[int, int]:
        written = seen = 0
        async with LogFollower(path) as follower:
            await follower.seek_last(0)
            for number, (action, data, room) in enumerate([*actions, ("append", b"", ROOM)]):
                append(path, data + b"\n")
                written += len(data) + 1
                seen += bytes_covered(await follower.poll(room))
                if action == "rotate":
                    path.rename(path.with_suffix(f".{number}"))
                    path.touch()
                    seen += bytes_covered(await follower.poll(room))
            for _ in range(3):
                seen += bytes_covered(await follower.poll(ROOM))
        return written, seen

    written, seen = asyncio.run(follow())
    assert seen == written


async def test_a_disk_error_is_raised(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    async with LogFollower(folder) as follower:
        with pytest.raises(OSError, match=r"."):
            await follower.seek_last(0)
    assert os.listdir(folder) == []  # noqa: PTH208 (as short)
