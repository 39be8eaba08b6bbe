"""Remove old archives with their indexes, as the disk budget requires."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from nodelog.archive.index import index_path
from nodelogd.service.files.disk_budget import MIN_FREE_BYTES, Budget, FinishedFile, files_to_remove
from nodelogd.service.files.free_space import free_space

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodelogd.compressor.metrics import Metrics
    from nodelogd.compressor.upkeep.archive_names import ArchiveNames, FolderListing

log = logging.getLogger(__name__)


def apply_retention(
    names: ArchiveNames,
    target: Path,
    budget: Budget,
    metrics: Metrics,
    before_removal: Callable[[Path], None] = lambda _: None,
) -> FolderListing:
    """Remove what the budget does not allow, the oldest day first, but never `target`.

    Only our own archives count, and of those only the ones that are not of a later day than `target`: neither
    a file that someone else has put there nor one from a time when the clock was wrong costs an archive.
    Call only under the lock. An archive that cannot be removed does not stop the removal of others; the first
    OSError is raised at the end. `before_removal` is called for each archive that is removed.
    Return what was there.
    """
    today = names.day(target).date
    listing = names.list_folder()
    paths = [path for path in listing.archives if names.day(path).date <= today]
    archives = [_finished_file(path) for path in paths]
    archives.sort(key=lambda file: file.path == target)  # it counts as the newest
    removed: set[Path] = set()
    errors: list[OSError] = []
    budget = _with_room(budget, archives)
    for file, reason in files_to_remove(archives, budget, free_space(names.out), time.time()):
        try:
            before_removal(file.path)
            file.path.unlink(missing_ok=True)
            index_path(file.path).unlink(missing_ok=True)
        except OSError as error:
            errors.append(error)
            continue
        removed.add(file.path)
        metrics.removed.labels(reason).inc()
        log.info("removed by --%s", reason, extra={"path": str(file.path), "bytes": file.size})
    metrics.archives.set(len(archives) - len(removed))
    metrics.archives_bytes.set(sum(file.size for file in archives if file.path not in removed))
    metrics.disk_free.set(free_space(names.out).free)
    if errors:
        raise errors[0]
    return listing


def _with_room(budget: Budget, archives: list[FinishedFile]) -> Budget:
    """Require room for another archive as large as the newest one: the next is written beside it."""
    return replace(budget, min_free_bytes=max(MIN_FREE_BYTES, archives[-1].size if archives else 0))


def _finished_file(path: Path) -> FinishedFile:
    status = path.lstat()
    try:
        size = status.st_size + index_path(path).lstat().st_size
    except FileNotFoundError:
        size = status.st_size
    return FinishedFile(path=path, size=size, time=status.st_mtime)
