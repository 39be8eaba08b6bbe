"""What is wrong on the node, by what was looked at: the reasons why `/readyz` does not say 200."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nodeagent.metrics import Metrics

LOG: Final = logging.getLogger(__name__)


class Findings:
    """The troubles there are now; each is logged when it comes and when it goes."""

    def __init__(self, metrics: Metrics) -> None:
        self._ready = metrics.ready
        self._troubles: dict[str, str] = {}
        self._awaited: dict[str, str] = {}
        self._count()

    def tell(self, name: str, trouble: str) -> bool:
        """Say what is wrong with this, or that nothing is (no text); tell whether nothing is."""
        if trouble:
            if name not in self._troubles:
                LOG.warning("%s", trouble)
            self._troubles[name] = trouble
        elif self._troubles.pop(name, None) is not None:
            LOG.info("%s: all is well again", name)
        self._count()
        return not trouble

    def wait_for(self, name: str, why: str) -> None:
        """Say what readiness waits for; nothing is wrong so far."""
        self._awaited[name] = why
        self._count()

    def came(self, name: str) -> None:
        """Say that this is waited for no longer."""
        self._awaited.pop(name, None)
        self._count()

    def reasons(self) -> dict[str, str]:
        """Give what is wrong or waited for, by name."""
        return {**self._awaited, **self._troubles}

    def _count(self) -> None:
        self._ready.set(not self._troubles and not self._awaited)
