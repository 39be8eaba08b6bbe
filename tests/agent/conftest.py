"""A log of three lines, and one who follows it from its end."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from nodeagent.tail.log_follower import Follower


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "node_log"
    path.write_bytes(b"one\ntwo\nthree\n")
    return path


@pytest.fixture
async def follower(log: Path) -> AsyncGenerator[Follower]:
    async with Follower(log) as follower:
        await follower.begin(0)
        yield follower
