import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.following import ROOM, append, drained, seal, size_of

from nodeagent.tail.log_follower import Follower, Lines, Skipped
from nodelogd.collector.store.file_names import FileNames


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
    FileNames.resolve(log).torn_path(1).write_bytes(b"half")
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
    damaged = FileNames.resolve(log).sealed_files()[-1].path
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(OSError, match=f"{damaged.name} is damaged"):
        await drained(follower)


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
