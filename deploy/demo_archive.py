"""Reads the archive of the demo."""

import asyncio
import tarfile
import time
from pathlib import Path
from typing import Final

TIMEOUT: Final = 90.0
POLL_INTERVAL: Final = 0.1


async def wait_for_archive(folder: Path) -> dict[str, bytes]:
    """Wait for an archive that holds all of the log files; return the content of the newest one by name.

    After TIMEOUT seconds, return what the newest archive holds then.
    """
    wanted = {f"{path}".lstrip("/"): path.read_bytes() for path in folder.glob("*.log")}
    deadline = time.monotonic() + TIMEOUT
    while True:
        found = await asyncio.to_thread(read_newest, folder)
        if found == wanted or time.monotonic() > deadline:
            return found
        await asyncio.sleep(POLL_INTERVAL)


def read_newest(folder: Path) -> dict[str, bytes]:
    """Return the content of the newest archive by name; empty if there is no archive."""
    archives = sorted(folder.glob("all-logs-*.tar.gz"))
    if not archives:
        return {}
    with tarfile.open(archives[-1]) as archive:
        return {
            member.name: file.read()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }
