"""What becomes of old archives: removed, each with its index, when the budget says so."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from nodelog.archive.index import index_path
from nodelogd.service.disk_budget import MIN_FREE_BYTES, Budget, DiskSpace, FinishedFile, files_to_remove

if TYPE_CHECKING:
    from pathlib import Path

    from nodelogd.compressor.metrics import Metrics
    from nodelogd.compressor.upkeep.archive_names import Names

log = logging.getLogger(__name__)


def retain(names: Names, target: Path, budget: Budget, metrics: Metrics) -> None:
    """Remove what the budget does not allow, the oldest day first, but never `target`.

    Only for the holder of the lock. Raises OSError in the end; one that cannot be removed keeps no other.
    """
    found = [_kept(path) for path in names.archives()]
    found.sort(key=lambda kept: kept.path == target)  # last, whatever the clock says: it is what we work at
    gone: set[Path] = set()
    faults: list[OSError] = []
    for kept, reason in files_to_remove(found, _with_room(budget, found), _disk(names.out), time.time()):
        try:
            kept.path.unlink(missing_ok=True)
            index_path(kept.path).unlink(missing_ok=True)
        except OSError as error:
            faults.append(error)
            continue
        gone.add(kept.path)
        metrics.removed.labels(reason).inc()
        log.info("removed by --%s", reason, extra={"path": str(kept.path), "bytes": kept.size})
    metrics.archives.set(len(found) - len(gone))
    metrics.archives_bytes.set(sum(kept.size for kept in found if kept.path not in gone))
    metrics.disk_free.set(_disk(names.out).free)
    for fault in faults:
        raise fault


def _with_room(budget: Budget, found: list[FinishedFile]) -> Budget:
    """Want room for an archive as large as the last one: the next is made beside it."""
    return replace(budget, min_free_bytes=max(MIN_FREE_BYTES, found[-1].size if found else 0))


def _kept(path: Path) -> FinishedFile:
    status = path.stat()
    try:
        size = status.st_size + index_path(path).stat().st_size
    except FileNotFoundError:
        size = status.st_size
    return FinishedFile(path=path, size=size, time=status.st_mtime)


def _disk(path: Path) -> DiskSpace:
    status = os.statvfs(path)
    return DiskSpace(size=status.f_blocks * status.f_frsize, free=status.f_bavail * status.f_frsize)
