"""All the work except waiting: lines move from the queue into the spool, and from there to the collector.

A driver calls `step` when something has happened: lines have come, the collector has sent something, or it is
time to retry. Only one step runs at a time. A step is short, so that a thread which runs it is no burden to
the others; it may wait for the disk if the spool is in a file.
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
"""The pause before a spool that cannot be used is tried again."""


class ShippingEngine:
    """Moves lines from `queue` through `spool` to a collector."""

    def __init__(self, settings: Settings, spool: Spool, queue: LineQueue) -> None:
        self.queue = queue
        self.spool = spool
        self.destination = ""
        """The address that is connected to, or that the last attempt was for."""
        self.spool_error = ""
        """What is wrong with the spool now; empty if nothing is."""
        self._tell = settings.tell
        self._max_bytes = settings.max_bytes
        self._drops_oldest = settings.full is FullPolicy.DROP_OLDEST
        self.in_outage = False
        """True if an outage was reported, and its end was not."""
        self._notices: list[bytes] = []  # the client's own lines, to be sent in the stream
        self.session = DeliverySession(
            spool,
            name=settings.name,
            tell=self._report,
            window_bytes=min(WINDOW_BYTES, settings.max_bytes // 4),
        )
        self._report_spool_notices()
        queue.sync_with_spool(spool)

    def step(self, received: Iterable[bytes], *, can_send: bool) -> tuple[bool, list[bytes | memoryview]]:
        """Do all that can be done now; return whether new lines came, and the frames to send if `can_send`.

        While the disk takes no more lines, those in the spool are still sent.
        """
        came, frames, before = False, [], self.spool_error
        self.spool_error = ""
        with self._handling_spool_errors(before):
            for data in received:
                self.session.feed(data)
        with self._handling_spool_errors(before):
            came = self._spool_lines()
        with self._handling_spool_errors(before):
            frames = self.session.frames_to_send() if can_send else []
        with self._handling_spool_errors(before):
            self._tidy(came=came)
        self.queue.sync_with_spool(self.spool)
        if self.in_outage and self.session.welcome:
            self.in_outage = False
            self._tell(f"connected to {self.destination}")
        return came, frames

    def connection_lost(self, failure: str = "", *, by_peer: bool = False) -> float:
        """End a connection and report it, once per outage; return the seconds to wait before the next."""
        reason = self.session.fault if self.session.must_hang_up else failure
        if reason:
            self._report_outage(f"no connection to {self.destination}: {reason}; trying again")
        pause = RETRY_SECONDS
        with self._handling_spool_errors(self.spool_error):
            pause = self.session.connection_lost(by_peer=by_peer)
        return pause  # noqa: RET504 (an error may have ended the block before)

    @property
    def spool_name(self) -> str:
        """Where lines wait, for an operator."""
        return str(self.spool.path or "memory")

    def report_no_answer(self) -> None:
        """Report that the collector has not answered yet."""
        failure = "accepts the connection but does not answer (is it a collector?)"
        self._report_outage(f"{self.destination} {failure}; still waiting")

    def report_no_lookup(self, failure: str) -> None:
        """Report that the address of the collector could not be looked up yet."""
        self._report_outage(f"no connection to {self.destination}: {failure}; still waiting")

    def adopt_orphans(self) -> None:
        """Take over what ended child processes left in files of their own, and send it first."""
        with self._handling_spool_errors(self.spool_error):
            if self.spool.adopt_orphans():
                self.session.must_hang_up = True  # each stream has a connection of its own
        self._report_spool_notices()

    def close(self) -> None:
        """Store what can be stored, close the spool, and report what is left."""
        reason = ""
        try:
            while self._spool_lines():
                pass
            self.spool.commit_removals()
        except SpoolError as error:
            reason = str(error)
        self.queue.is_finished = True
        self.queue.sync_with_spool(self.spool)
        self.spool.close()
        if left := self.queue.unacknowledged:
            self._tell(f"{left} lines are not acknowledged; {self._describe_unacknowledged(left, reason)}")

    def _describe_unacknowledged(self, left: int, reason: str) -> str:
        """Return where the lines are that are left."""
        if not self.spool.is_persistent:
            return "they were in memory and are lost"
        name = self.spool_name
        waiting = f"wait in {name}: the next run or `nodelog pipe --spool {name} </dev/null` sends them"
        lost = left - self.spool.lines
        if not lost:
            return f"they {waiting}"
        return f"{lost} of them are lost: {reason}" + (f"; the others {waiting}" if self.spool.lines else "")

    def _report_outage(self, text: str) -> None:
        """Report an outage, unless it was reported since the last connection."""
        if not self.in_outage:
            self.in_outage = True
            self._tell(f"{text}; lines wait in {self.spool_name}")

    def _spool_lines(self) -> bool:
        """Move a batch of lines from the queue into the spool; return whether there were any."""
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
        """Continue without the spool for now, or with a new one if it is damaged; report each error once."""
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
        """Report to the operator and in the stream."""
        self._tell(text)
        self._notices.append(f"nodelog: {text}".encode())
