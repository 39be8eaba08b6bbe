"""What is unusual about a file: counted each time, said once per case and file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from nodelogd.compressor.cycle import Case

if TYPE_CHECKING:
    from collections.abc import Collection

    from nodelogd.compressor.metrics import Metrics

log = logging.getLogger(__name__)

LEVELS: Final = {Case.UNREADABLE: logging.WARNING, Case.SHRANK: logging.WARNING, Case.EDITED: logging.WARNING}
"""What an operator has to look after; the others belong to the life of a log."""


class Unusual:
    """Hears of each unusual case, cycle by cycle."""

    def __init__(self, metrics: Metrics) -> None:
        """Begin with none said."""
        self._metrics = metrics
        self._said: dict[str, set[Case]] = {}
        self._met: set[str] = set()
        self.unreadable = 0
        """Files and folders of this cycle that could not be read."""

    def begin(self) -> None:
        """Begin a cycle."""
        self.unreadable = 0
        self._met = set()

    def end(self, names: Collection[str]) -> None:
        """Forget what was said of files that are gone, so that what is remembered stays bounded.

        Folders that cannot be listed are among no names, but have been met in this cycle.
        """
        self._said = {name: said for name, said in self._said.items() if name in names or name in self._met}

    def report(self, case: Case, name: str, text: str) -> None:
        """Hear of one."""
        self._metrics.unusual.labels(case.name.lower()).inc()
        self.unreadable += case is Case.UNREADABLE
        self._met.add(name)
        said = self._said.setdefault(name, set())
        if case not in said:
            said.add(case)
            log.log(LEVELS.get(case, logging.INFO), "%s", text, extra={"path": f"/{name}"})
