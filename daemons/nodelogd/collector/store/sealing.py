"""Sealing: a full log file gets its final name, with a number that is never used twice."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

from nodelogd.collector.store.file_operations import rename_without_replacing

if TYPE_CHECKING:
    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.store.active_file import ActiveFile
    from nodelogd.collector.store.file_names import FileNames

log = logging.getLogger(__name__)


class Sealer:
    """Numbers the files of one log and seals its active file; never replaces an existing file."""

    def __init__(self, names: FileNames, metrics: Metrics, last_number: int) -> None:
        """Continue after `last_number`."""
        self.names = names
        self._metrics = metrics
        self.last_number = last_number

    def next_number(self) -> int:
        """Return the number of the next file that is sealed or cut off."""
        return max(self.last_number, self.names.last_number()) + 1

    def seal(self, file: ActiveFile) -> None:
        """Rename the log, durably once its directory is synced. Raises OSError; may be called again."""
        if target := self.names.find_sealed(os.fstat(file.fd)):  # the last attempt stopped half-way
            self.names.log.unlink()
        else:
            number = self.next_number()
            target = self.names.sealed_path(number, time.time())
            rename_without_replacing(self.names.log, target)
            self.last_number = number
        self._metrics.rotations.inc()
        log.info("the log is sealed", extra={"path": str(target), "bytes": file.end})
