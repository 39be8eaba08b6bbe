"""All of the work but the waiting: lines from the intake into the spool, from the spool to the collector.

Whatever drives it calls `turn` when something has happened: lines came, the collector said something, or it
is time to try again. A turn is short, so that a thread which does it is no burden for the others, and one at
a time; it may wait for the disk if the spool is in a file.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nodelog.shipping.delivery_session import WINDOW_BYTES, DeliverySession
from nodelog.shipping.line_queue import FullPolicy
from nodelog.spool.blocks import DamagedSpoolError, SpoolError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from nodelog.shipping.line_queue import LineQueue
    from nodelog.shipping.settings import Settings
    from nodelog.spool.spool import Spool

RETRY_SECONDS: Final = 1.0
"""Seconds after which to try again if the spool cannot be used."""


class ShippingEngine:
    """Carries lines from `intake` through `spool` to a collector."""

    def __init__(self, settings: Settings, spool: Spool, intake: LineQueue) -> None:
        self.queue = intake
        self.spool = spool
        self.destination = ""
        """Where it is connected to, or tries to."""
        self.spool_error = ""
        """What is wrong with the spool now."""
        self._tell = settings.tell
        self._spool_name = settings.spool if spool.is_persistent else "memory"
        self._max_bytes = settings.max_bytes
        self._drops_oldest = settings.full is FullPolicy.DROP_OLDEST
        self._in_outage = False  # to connect
        self._notices: list[bytes] = []  # lines of our own that belong into the stream
        self.session = DeliverySession(
            spool, name=settings.name, tell=self._report, window=min(WINDOW_BYTES, settings.max_bytes // 4)
        )
        self._report_spool_notices()
        intake.sync_with_spool(spool)

    def step(self, received: Iterable[bytes], *, sends: bool) -> tuple[bool, list[bytes | memoryview]]:
        """Do what there is to do; tell whether lines came and, if something can be sent, give what is to be.

        When a disk takes no more lines, those that are there already still go.
        """
        came, frames, before = False, [], self.spool_error
        self.spool_error = ""
        with self._handling_spool_errors(before):
            for data in received:
                self.session.feed(data)
        with self._handling_spool_errors(before):
            came = self._spool_lines()
        with self._handling_spool_errors(before):
            frames = self.session.frames_to_send() if sends else []
        with self._handling_spool_errors(before):
            self._tidy(came=came)
        self.queue.sync_with_spool(self.spool)
        if self._in_outage and self.session.welcome:
            self._in_outage = False
            self._tell(f"connected to {self.destination}")
        return came, frames

    def connection_lost(self, failure: str = "", *, by_peer: bool = False) -> float:
        """Give the seconds to wait before the next connection, as this one is gone; tell once per outage."""
        why = self.session.fault if self.session.must_hang_up else failure
        if why:
            self._report_outage(f"no connection to {self.destination}: {why}; trying again")
        pause = RETRY_SECONDS
        with self._handling_spool_errors(self.spool_error):
            pause = self.session.connection_lost(by_peer=by_peer)
        return pause  # noqa: RET504 (an error may have ended the block before)

    def report_no_answer(self) -> None:
        """Tell that the collector has not answered yet."""
        self._report_outage(
            f"{self.destination} takes the connection but does not answer: is it a collector? waiting"
        )

    def close(self) -> None:
        """Keep what can be kept, let go of the spool, and tell what is left."""
        why = ""
        try:
            while self._spool_lines():
                pass
            self.spool.commit_removals()
        except SpoolError as error:
            why = str(error)
        self.queue.is_finished = True
        self.queue.sync_with_spool(self.spool)
        self.spool.close()
        if left := self.queue.unacknowledged:
            self._tell(f"{left} lines are not acknowledged and {self._describe_unacknowledged(why)}")

    def _describe_unacknowledged(self, why: str) -> str:
        """Tell where those lines are that are left."""
        if not self.spool.is_persistent:
            return "were in memory and are lost"
        kept, how = self.spool.lines, f"`nodelog pipe --spool {self._spool_name} </dev/null`"
        waiting = f"wait in {self._spool_name}: the next run sends them, or {how}"
        lost = self.queue.unacknowledged - kept
        if not lost:
            return waiting
        return f"{lost} of them are lost: {why}" + (f"; the others {waiting}" if kept else "")

    def _report_outage(self, text: str) -> None:
        """Tell it once, until there is a connection."""
        if not self._in_outage:
            self._in_outage = True
            self._tell(f"{text}, lines wait in {self._spool_name}")

    def _spool_lines(self) -> bool:
        lines = self.queue.take_batch()
        if not lines and not self._notices:
            return False
        try:
            self.spool.append([*self._notices, *lines])
        except SpoolError:
            self.queue.put_back(lines)
            raise
        self._notices.clear()
        return True

    def _tidy(self, *, came: bool) -> None:
        if self._drops_oldest:
            self.session.trim_spool(self._max_bytes)
        if not came:
            self.spool.commit_removals()

    @contextmanager
    def _handling_spool_errors(self, before: str) -> Generator[None]:
        """Go on without the spool for a moment, or with another if it is damaged; tell it once."""
        try:
            try:
                yield
            except DamagedSpoolError:
                self.session.must_hang_up = True
                self.spool.reopen()
                self._report_spool_notices()
        except SpoolError as error:
            self.spool_error = str(error)
            if self.spool_error != before:
                self._tell(f"{error}; nothing is lost so far, trying again every {RETRY_SECONDS:g} s")

    def _report_spool_notices(self) -> None:
        for text in self.spool.notices:
            self._report(text)
        self.spool.notices.clear()

    def _report(self, text: str) -> None:
        self._tell(text)
        self._notices.append(f"nodelog: {text}".encode())
