"""Names for files that are finished: a number each, never given twice, and never another file's name."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

from nodelogd.collector.store.file_operations import rename_new

if TYPE_CHECKING:
    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.store.active_file import ActiveFile
    from nodelogd.collector.store.file_names import Names

log = logging.getLogger(__name__)


class Seals:
    """Seals the file at the place of the log."""

    def __init__(self, names: Names, metrics: Metrics, last: int) -> None:
        """Go on behind the number that was given `last`."""
        self._names = names
        self._metrics = metrics
        self.last = last

    def next_number(self) -> int:
        """Give the number of the next file that is finished or cut off."""
        return max(self.last, self._names.last()) + 1

    def seal(self, file: ActiveFile) -> None:
        """Rename the log, durably once its directory is synced. Raises OSError; may be called again."""
        if target := self._names.sealed_as(os.fstat(file.fd)):  # the last try came half way
            self._names.log.unlink()
        else:
            number = self.next_number()
            target = self._names.sealed(number, time.time())
            rename_new(self._names.log, target)
            self.last = number
        self._metrics.rotations.inc()
        log.info("the log is sealed", extra={"path": str(target), "bytes": file.end})
