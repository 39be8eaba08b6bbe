"""Where an archive appears besides its own folder, as the settings say; a failure there costs no cycle."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from nodelogd.compressor.problem_log import explain
from nodelogd.compressor.upkeep.published_copies import ArchiveCopies, ArchiveLinks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodelogd.compressor.problem_log import ProblemLog
    from nodelogd.compressor.settings import Settings
    from nodelogd.compressor.upkeep.archive_names import ArchiveNames

log = logging.getLogger(__name__)


class _Publication(Protocol):
    """A link to an archive, or a copy of it."""

    def publish(self, archive: Path, check_stop: Callable[[], None]) -> None:
        """Make it or bring it up to date. Raises OSError."""

    def remove(self, archive: Path) -> None:
        """Remove it. Raises OSError."""


class Publications:
    """Links and copies of the archives."""

    def __init__(self, names: ArchiveNames, settings: Settings, problems: ProblemLog) -> None:
        """Keep those that the settings ask for; failures are reported to `problems`."""
        self._problems = problems
        self._earlier: ArchiveLinks | None = None
        self._parts: dict[str, _Publication] = {}
        if settings.copy_to and settings.copy_to != settings.out:
            self._parts[f"copy in {settings.copy_to}"] = ArchiveCopies(settings.copy_to, settings.mode)
        if settings.link and settings.directory not in {settings.out, settings.copy_to}:
            self._earlier = links = ArchiveLinks(names, settings.directory)
            self._parts[f"link in {settings.directory}"] = links
        folders = (settings.out, settings.directory, settings.copy_to)
        self.folders: tuple[Path, ...] = tuple(dict.fromkeys(folder for folder in folders if folder))
        """The folders in which files have our names."""

    def publish(self, archive: Path, check_stop: Callable[[], None]) -> None:
        """Bring links and copies up to date. Raises what `check_stop` raises."""
        self._name_earlier()
        for name, part in self._parts.items():
            text = ""
            try:
                part.publish(archive, check_stop)
            except OSError as error:
                text = f"cannot make the {name}: {explain(error)}; {archive} is up to date"
            self._problems.report(name, text)

    def remove(self, archive: Path) -> None:
        """Remove links and copies of an archive that is about to be removed. Raises OSError."""
        for part in self._parts.values():
            part.remove(archive)

    def _name_earlier(self) -> None:
        """Say once which archives earlier versions have left where links are now."""
        if self._earlier is None:
            return
        links, self._earlier = self._earlier, None
        try:
            earlier = links.list_earlier()
        except OSError:  # the links cannot be made either, which is reported
            return
        if earlier:
            log.warning(
                "%d archives from %s to %s are of an earlier version: they stay, neither read nor removed",
                len(earlier),
                earlier[0],
                earlier[-1],
            )
