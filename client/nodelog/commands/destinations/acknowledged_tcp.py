"""Lines sent by a shipper, which keeps them until the collector has acknowledged them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelog.commands.stop_signals import ShutdownDeadline

if TYPE_CHECKING:
    from nodelog.commands.stop_signals import StopSignals
    from nodelog.shipping.shipper import Shipper


class AcknowledgedTcp:
    """A shipper whose waits end at a stop signal; `close` waits `timeout` seconds for acknowledgements."""

    def __init__(self, shipper: Shipper, address: str, stop: StopSignals, timeout: float) -> None:
        self.is_complete = False
        self._shipper = shipper
        self._address = address
        self._stop = stop
        self._until_stop = ShutdownDeadline(stop, 0)
        self._at_close = ShutdownDeadline(stop, timeout)

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds`; return True as soon as there was a stop signal."""
        return self._stop.wait(seconds)

    def send(self, line: bytes) -> bool:
        """Send a line; return False if a stop signal came before the line was in the spool."""
        refused = self._until_stop.wait(lambda seconds: not self._shipper.send(line, seconds))
        return not refused and not self._until_stop.wait(self._shipper.keep)

    def close(self) -> None:
        """Wait for the acknowledgements, then close the shipper, which reports what is left."""
        self._at_close.start()
        self._at_close.wait(self._shipper.flush)
        self.is_complete = not self._shipper.close(0)

    def summary(self, sent: int) -> str:
        """Return what was done, in one line."""
        return f"{sent} lines sent to {self._address}, {self._shipper.stats.delivered} acknowledged"
