"""A log of three lines, and a follower at its end."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from nodeagent.tail.log_follower import LogFollower


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "node_log"
    path.write_bytes(b"one\ntwo\nthree\n")
    return path


@pytest.fixture
async def follower(log: Path) -> AsyncGenerator[LogFollower]:
    async with LogFollower(log) as follower:
        await follower.seek_last(0)
        yield follower
