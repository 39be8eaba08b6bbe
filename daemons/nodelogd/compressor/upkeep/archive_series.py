"""Which archive a cycle updates, and which it starts from: a finished day is never replaced by less."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from nodelogd.compressor.upkeep.archive_record import ArchiveRecord, read_record, write_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo
    from pathlib import Path

    from nodelogd.compressor.upkeep.archive_names import ArchiveNames


class ArchiveSeries:
    """The archives of one directory, one per day."""

    def __init__(self, names: ArchiveNames, directory: Path, zone: tzinfo) -> None:
        """Name archives of `directory` after the days of a time zone."""
        self._names = names
        self._directory = directory
        self._zone = zone
        self.finished: Path | None = None
        """The archive of today that the last call of `choose` did not take, since it is finished."""

    def todays(self, now: float) -> Path:
        """Return the path of today's archive, unless that is finished already."""
        return self._names.archive_path(now, self._zone)

    def check_directory(self) -> None:
        """Raise an OSError if these are archives of another directory, which would be replaced."""
        record = read_record(self._names.record)
        if record is not None and record.directory != str(self._directory):
            raise OSError(
                errno.EEXIST,
                f"{self._names.out / self._names.template} has the logs of {record.directory}; "
                f"set another --out or --name, or remove {self._names.record} if they are to be replaced",
            )

    def choose(self, now: float, archives: list[Path], loses: Callable[[Path], bool]) -> Path:
        """Return the archive to update at `now`, and record that it is not finished; `archives` are all.

        An archive that was not the last one written is finished, whatever the clock says now. `loses` returns
        whether an update would remove anything that an archive holds; if so, a finished one is left alone,
        and another of the same day is made. Raises OSError.
        """
        record = read_record(self._names.record)
        target = self._choose(self.todays(now), archives, record, loses)
        wanted = ArchiveRecord(directory=str(self._directory), archive=target.name)
        if record != wanted:
            write_record(self._names.record, wanted)
        return target

    def seed(self, target: Path, archives: list[Path]) -> Path | None:
        """Return the archive that a new one starts from: the one before it, or else the newest."""
        others = [path for path in archives if path != target]
        day = self._names.day(target)
        earlier = [path for path in others if self._names.day(path) < day]
        return max(earlier or others, key=self._names.day, default=None)

    def _choose(
        self,
        today: Path,
        archives: list[Path],
        record: ArchiveRecord | None,
        loses: Callable[[Path], bool],
    ) -> Path:
        date = self._names.day(today).date
        of_today = [path for path in archives if self._names.day(path).date == date]
        self.finished = None
        if not of_today:
            return today
        newest = of_today[-1]
        if self._is_finished(newest, archives, record) and loses(newest):
            self.finished = newest
            return self._names.next_of_day(newest)
        return newest

    def _is_finished(self, archive: Path, archives: list[Path], record: ArchiveRecord | None) -> bool:
        if record is None:  # by an earlier version
            return self._names.day(archives[-1]).date > self._names.day(archive).date
        return archive.name != record.archive
