import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.growing_log import ROOM, append, bytes_covered, poll_to_end, seal

from nodeagent.tail.log_follower import Lines, LogFollower, Skipped
from nodelogd.collector.store.file_names import FileNames


async def test_a_rotated_file_is_read_to_its_end(log: Path, follower: LogFollower) -> None:
    append(log, b"four\n")
    log.rename(log.with_suffix(".1"))
    append(log.with_suffix(".1"), b"five\n")
    assert await follower.poll(ROOM) == [Lines([b"four", b"five"])]
    append(log.with_suffix(".1"), b"six")
    assert await follower.poll(ROOM) == []
    append(log, b"seven\n")
    assert await follower.poll(ROOM) == [Lines([b"six"])]
    assert await follower.poll(ROOM) == [Lines([b"seven"])]


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
async def test_files_sealed_between_two_polls_are_read(
    log: Path, follower: LogFollower, *, compressed: bool
) -> None:
    append(log, b"four\n")
    for number, line in enumerate((b"five\n", b"six\n", b"seven\n"), 8):
        seal(log, number, compressed=compressed)
        append(log, line)
    expected = [Lines([line]) for line in (b"four", b"five", b"six", b"seven")]
    assert await poll_to_end(follower) == expected


async def test_of_a_sealed_file_that_does_not_fit_the_end_is_shown_and_the_rest_reported_as_skipped(
    log: Path, follower: LogFollower
) -> None:
    seal(log, 1)
    append(log, b"four\nfive\nsix\n")
    seal(log, 2, compressed=True)
    assert await poll_to_end(follower, 6) == [Skipped(len("four\nfive\n")), Lines([b"six"])]


async def test_a_torn_tail_cut_off_by_recovery_is_not_followed(log: Path, follower: LogFollower) -> None:
    FileNames.resolve(log).torn_path(1).write_bytes(b"half")
    seal(log, 2)
    append(log, b"four\n")
    assert await poll_to_end(follower) == [Lines([b"four"])]


async def test_a_log_moved_away_by_another_program_hides_no_sealed_file(
    log: Path, follower: LogFollower
) -> None:
    append(log, b"four\n")
    log.rename(log.with_suffix(".old"))
    append(log, b"five\n")
    seal(log, 1)
    append(log, b"six\n")
    assert await poll_to_end(follower) == [Lines([b"four"]), Lines([b"five"]), Lines([b"six"])]


async def test_a_damaged_sealed_file_raises_a_disk_error(log: Path, follower: LogFollower) -> None:
    seal(log, 1)
    seal(log, 2, compressed=True)
    damaged = FileNames.resolve(log).sealed_files()[-1].path
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(OSError, match=f"{damaged.name} is damaged"):
        await poll_to_end(follower)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["append", "seal", "compress"]), st.binary(max_size=40), st.integers(-30, 60)
        )
    )
)
def test_every_byte_is_shown_or_counted_as_skipped_however_often_the_log_is_sealed(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, bytes, int]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "node_log"
    path.touch()

    async def follow() -> tuple[int, int]:
        written = seen = 0
        async with LogFollower(path) as follower:
            await follower.seek_last(0)
            for number, (action, data, room) in enumerate(actions, 1):
                append(path, data + b"\n")
                written += len(data) + 1
                if action != "append":
                    seal(path, number, compressed=action == "compress")
                if room >= 0:
                    seen += bytes_covered(await follower.poll(room))
            seen += bytes_covered(await poll_to_end(follower))
        return written, seen

    written, seen = asyncio.run(follow())
    assert seen == written
