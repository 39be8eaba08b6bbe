"""What is in the archive of the demo."""

import asyncio
import tarfile
import time
from pathlib import Path
from typing import Final

PATIENCE: Final = 90.0
LOOK_EVERY: Final = 0.1


async def archive_of(folder: Path) -> dict[str, bytes]:
    """Wait for an archive that has all that is in the files; give what is in the newest one, by name."""
    wanted = {f"{path}".lstrip("/"): path.read_bytes() for path in folder.glob("*.log")}
    until = time.monotonic() + PATIENCE
    while True:
        found = await asyncio.to_thread(newest, folder)
        if found == wanted or time.monotonic() > until:
            return found
        await asyncio.sleep(LOOK_EVERY)


def newest(folder: Path) -> dict[str, bytes]:
    """Give what is in the newest archive, by name."""
    archives = sorted(folder.glob("all-logs-*.tar.gz"))
    if not archives:
        return {}
    with tarfile.open(archives[-1]) as archive:
        return {
            member.name: file.read()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }
