"""The problems found on the node, by name: the reasons why `/readyz` does not return 200."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nodeagent.metrics import Metrics

LOG: Final = logging.getLogger(__name__)


class Problems:
    """The current problems. Each is logged once when it appears and once when it is resolved."""

    def __init__(self, metrics: Metrics) -> None:
        self._ready = metrics.ready
        self._problems: dict[str, str] = {}
        self._pending: dict[str, str] = {}
        self._update_metric()

    def report(self, name: str, problem: str) -> bool:
        """Record the problem of this name, or its absence (an empty text); return whether there is none."""
        if problem:
            if name not in self._problems:
                LOG.warning("%s", problem)
            self._problems[name] = problem
        elif self._problems.pop(name, None) is not None:
            LOG.info("%s: all is well again", name)
        self._update_metric()
        return not problem

    def hold_readiness(self, name: str, reason: str) -> None:
        """Report "not ready" for this reason until it is released; this is no problem, and is not logged."""
        self._pending[name] = reason
        self._update_metric()

    def release_readiness(self, name: str) -> None:
        """Drop what `hold_readiness` recorded under this name, if anything."""
        self._pending.pop(name, None)
        self._update_metric()

    def reasons(self) -> dict[str, str]:
        """Return why the node is not ready, by name: problems, and what is still pending."""
        return {**self._pending, **self._problems}

    def _update_metric(self) -> None:
        self._ready.set(not self._problems and not self._pending)
