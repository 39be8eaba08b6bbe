import asyncio
import gzip
import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeagent.follow import BACK, LONGEST, Event, Follower, Lines, Skipped, Truncated
from nodelogd.collector.names import Names

ROOM = 1 << 20


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "node_log"
    path.write_bytes(b"one\ntwo\nthree\n")
    return path


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
async def follower(log: Path) -> AsyncGenerator[Follower]:
    async with Follower(log) as follower:
        await follower.begin(0)
        yield follower


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


async def test_a_file_that_is_rotated_is_read_to_its_end(log: Path, follower: Follower) -> None:
    append(log, b"four\n")
    log.rename(log.with_suffix(".1"))
    append(log.with_suffix(".1"), b"five\n")
    assert await follower.step(ROOM) == [Lines([b"four", b"five"])]
    append(log.with_suffix(".1"), b"six")
    assert await follower.step(ROOM) == []
    append(log, b"seven\n")
    assert await follower.step(ROOM) == [Lines([b"six"])]
    assert await follower.step(ROOM) == [Lines([b"seven"])]


def seal(path: Path, number: int, *, packed: bool = False) -> None:
    """Seal the log as a collector does, and begin a new one."""
    sealed = Names.of(path).sealed(number, 0)
    path.rename(sealed)
    if packed:
        sealed.with_name(f"{sealed.name}.gz").write_bytes(gzip.compress(sealed.read_bytes()))
        sealed.unlink()
    path.touch()


async def drained(follower: Follower, room: int = ROOM) -> list[Event]:
    """Step until three looks have found nothing."""
    events: list[Event] = []
    quiet = 0
    while quiet < 3:
        found = await follower.step(room)
        events += found
        quiet = 0 if found else quiet + 1
    return events


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "compressed"])
async def test_files_that_are_sealed_between_two_looks_are_read(
    log: Path, follower: Follower, *, packed: bool
) -> None:
    append(log, b"four\n")
    for number, line in enumerate((b"five\n", b"six\n", b"seven\n"), 8):
        seal(log, number, packed=packed)
        append(log, line)
    expected = [Lines([line]) for line in (b"four", b"five", b"six", b"seven")]
    assert await drained(follower) == expected


async def test_of_a_sealed_file_that_does_not_fit_the_end_is_shown_and_the_rest_is_told(
    log: Path, follower: Follower
) -> None:
    seal(log, 1)
    append(log, b"four\nfive\nsix\n")
    seal(log, 2, packed=True)
    assert await drained(follower, 6) == [Skipped(len("four\nfive\n")), Lines([b"six"])]


async def test_what_a_recovery_cut_off_is_no_file_of_the_log(log: Path, follower: Follower) -> None:
    Names.of(log).torn(1).write_bytes(b"half")
    seal(log, 2)
    append(log, b"four\n")
    assert await drained(follower) == [Lines([b"four"])]


async def test_a_file_that_somebody_moves_away_hides_no_sealed_one(log: Path, follower: Follower) -> None:
    append(log, b"four\n")
    log.rename(log.with_suffix(".old"))
    append(log, b"five\n")
    seal(log, 1)
    append(log, b"six\n")
    assert await drained(follower) == [Lines([b"four"]), Lines([b"five"]), Lines([b"six"])]


async def test_a_damaged_sealed_file_is_an_error_of_the_disk(log: Path, follower: Follower) -> None:
    seal(log, 1)
    seal(log, 2, packed=True)
    damaged = Names.of(log).finished()[-1].path
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(OSError, match=f"{damaged.name} is damaged"):
        await drained(follower)


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


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["append", "seal", "pack"]), st.binary(max_size=40), st.integers(-30, 60))
    )
)
def test_every_byte_is_shown_or_counted_however_often_the_log_is_sealed(
    tmp_path_factory: pytest.TempPathFactory, life: list[tuple[str, bytes, int]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "node_log"
    path.touch()

    async def follow() -> tuple[int, int]:
        written = seen = 0
        async with Follower(path) as follower:
            await follower.begin(0)
            for number, (deed, data, room) in enumerate(life, 1):
                append(path, data + b"\n")
                written += len(data) + 1
                if deed != "append":
                    seal(path, number, packed=deed == "pack")
                if room >= 0:
                    seen += size_of(await follower.step(room))
            seen += size_of(await drained(follower))
        return written, seen

    written, seen = asyncio.run(follow())
    assert seen == written


def size_of(events: Sequence[object]) -> int:
    """Give how many bytes of the log these events stand for."""
    size = 0
    for event in events:
        match event:
            case Skipped(skipped):
                size += skipped
            case Lines(lines):
                size += sum(len(line) + 1 for line in lines)
    return size


async def test_an_error_of_the_disk_is_the_callers(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    async with Follower(folder) as follower:
        with pytest.raises(OSError, match=r"."):
            await follower.begin(0)
    assert os.listdir(folder) == []  # noqa: PTH208 (as short)
