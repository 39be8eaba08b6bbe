"""Lines through a shipper: kept until the collector has acknowledged them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nodelog.commands.stop_signals import Patience
from nodelog.shipping.addresses import collector_addresses
from nodelog.shipping.shipper import Shipper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodelog.commands.stop_signals import Stop


class Shipped:
    """A shipper that obeys signals. Raises NoHostError, SpoolError."""

    def __init__(  # noqa: PLR0913 (where, who, and how long)
        self,
        host: str | None,
        port: int,
        *,
        name: str,
        spool: Path | None,
        timeout: float,
        stop: Stop,
        say: Callable[[str], None],
    ) -> None:
        self.is_done = False
        self._place = f"{' or '.join(collector_addresses(host, os.environ))} port {port}"
        self._stop = stop
        self._until_told = Patience(stop, 0)
        self._at_end = Patience(stop, timeout)
        self._shipper = Shipper(host, port, spool=spool, name=name, tell=say)

    def wait(self, seconds: float) -> bool:
        """Wait so long; True as soon as it is time to stop."""
        return self._stop.wait(seconds)

    def send(self, line: bytes) -> bool:
        """Hand a line over; False if told to stop before it was in the spool."""
        refused = self._until_told.wait(lambda seconds: not self._shipper.send(line, seconds))
        return not refused and not self._until_told.wait(self._shipper.keep)

    def close(self) -> None:
        """Wait for acknowledgements, and tell what is left."""
        self._at_end.begin()
        self._at_end.wait(self._shipper.flush)
        self.is_done = not self._shipper.close(0)

    def report(self, sent: int) -> str:
        """Tell what was done."""
        return f"{sent} lines sent to {self._place}, {self._shipper.stats.delivered} acknowledged"
