"""A log that grows, is sealed and compressed, and the events that a follower reports about it."""

import gzip
from collections.abc import Sequence
from pathlib import Path

from nodeagent.tail.log_follower import Event, Lines, LogFollower, Skipped
from nodelogd.collector.store.file_names import FileNames

ROOM = 1 << 20


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def seal(path: Path, number: int, *, compressed: bool = False) -> None:
    """Seal the log as a collector does, and start a new one."""
    sealed = FileNames.resolve(path).sealed_path(number, 0)
    path.rename(sealed)
    if compressed:
        sealed.with_name(f"{sealed.name}.gz").write_bytes(gzip.compress(sealed.read_bytes()))
        sealed.unlink()
    path.touch()


async def poll_to_end(follower: LogFollower, room: int = ROOM) -> list[Event]:
    """Poll until three polls in a row return nothing."""
    events: list[Event] = []
    empty_polls = 0
    while empty_polls < 3:
        found = await follower.poll(room)
        events += found
        empty_polls = 0 if found else empty_polls + 1
    return events


def bytes_covered(events: Sequence[object]) -> int:
    """Return how many bytes of the log these events stand for."""
    size = 0
    for event in events:
        match event:
            case Skipped(skipped):
                size += skipped
            case Lines(lines):
                size += sum(len(line) + 1 for line in lines)
    return size
