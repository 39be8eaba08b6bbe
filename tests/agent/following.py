"""A log that grows, is sealed and compressed, and all that a follower shows of it."""

import gzip
from collections.abc import Sequence
from pathlib import Path

from nodeagent.tail.log_follower import Event, Follower, Lines, Skipped
from nodelogd.collector.store.file_names import FileNames

ROOM = 1 << 20


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def seal(path: Path, number: int, *, packed: bool = False) -> None:
    """Seal the log as a collector does, and begin a new one."""
    sealed = FileNames.resolve(path).sealed_path(number, 0)
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
