"""Puts lines into the spool; the command waits for room a while, but not for a collector that stays away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nodelog.commands.stop_signals import POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.shipping.shipper import Shipper


class SpoolWriter:
    """Sends lines with a shipper; those without room are counted and reported in the stream.

    With a full spool lines wait up to `block_seconds` for room. Once that was not enough, they do not wait
    until the collector has taken some: it slows a command down, but its absence does not.
    """

    def __init__(
        self,
        shipper: Shipper,
        block_seconds: float,
        *,
        gives_up: Callable[[], bool],
        on_message: Callable[[str], None],
    ) -> None:
        self._shipper = shipper
        self._block_seconds = block_seconds
        self._gives_up = gives_up
        self._on_message = on_message
        self._delivered = -1  # lines when there was no room for the last ones; -1: there was
        self._is_stuck = False  # the disk did not take the last lines in time

    def send(self, batch: bytes) -> None:
        """Send whole lines, each with its LF, at most 1 MiB."""
        if self._has_room_for(batch):
            return
        self._shipper.refuse(batch.count(b"\n"))
        if self._delivered < 0:
            self._on_message("no room for more lines: they are dropped, and counted, until there is some")
        self._delivered = self._shipper.stats.delivered

    def keep(self) -> None:
        """Wait until all lines so far are in the spool, not long if the disk hangs or fails."""
        end = time.monotonic() + (0.0 if self._is_stuck else self._block_seconds)
        while self._shipper.keep(POLL_SECONDS if not self._is_stuck else 0.0):
            if time.monotonic() >= end or self._gives_up() or self._shipper.stats.trouble:
                self._is_stuck = True
                return
        self._is_stuck = False

    def _has_room_for(self, batch: bytes) -> bool:
        end = time.monotonic() + self._patience()
        try:
            while not self._shipper.send_lines(batch, max(0.0, min(POLL_SECONDS, end - time.monotonic()))):
                if time.monotonic() >= end or self._gives_up():
                    return False
        except ValueError:  # it is closed: the time was over long ago
            return False
        return True

    def _patience(self) -> float:
        """Return the seconds to wait for room."""
        if self._delivered >= 0:
            if self._shipper.stats.delivered == self._delivered:
                return 0.0
            self._delivered = -1
        return self._block_seconds
