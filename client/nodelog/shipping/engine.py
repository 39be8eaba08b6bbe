"""All of the work but the waiting: lines from the intake into the spool, from the spool to the collector.

Whatever drives it calls `turn` when something has happened: lines came, the collector said something, or it
is time to try again. A turn is short, so that a thread which does it is no burden for the others, and one at
a time; it may wait for the disk if the spool is in a file.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nodelog.shipping.delivery_session import WINDOW, Courier
from nodelog.shipping.line_queue import Full
from nodelog.spool.blocks import DamagedSpoolError, SpoolError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from nodelog.shipping.line_queue import Intake
    from nodelog.shipping.settings import Settings
    from nodelog.spool.memory_spool import Spool

RETRY: Final = 1.0
"""Seconds after which to try again if the spool cannot be used."""


class Carrier:
    """Carries lines from `intake` through `spool` to a collector."""

    def __init__(self, settings: Settings, spool: Spool, intake: Intake) -> None:
        self.intake = intake
        self.spool = spool
        self.place = ""
        """Where it is connected to, or tries to."""
        self.trouble = ""
        """What is wrong with the spool now."""
        self._tell = settings.tell
        self._where = settings.spool if spool.is_lasting else "memory"
        self._most = settings.max_bytes
        self._drops = settings.full is Full.DROP_OLDEST
        self._failing = False  # to connect
        self._news: list[bytes] = []  # lines of our own that belong into the stream
        self.courier = Courier(
            spool, name=settings.name, tell=self._announce, window=min(WINDOW, settings.max_bytes // 4)
        )
        self._announce_news()
        intake.settle(spool)

    def turn(self, received: Iterable[bytes], *, sends: bool) -> tuple[bool, list[bytes | memoryview]]:
        """Do what there is to do; tell whether lines came and, if something can be sent, give what is to be.

        When a disk takes no more lines, those that are there already still go.
        """
        came, frames, before = False, [], self.trouble
        self.trouble = ""
        with self._suffering(before):
            for data in received:
                self.courier.feed(data)
        with self._suffering(before):
            came = self._keep()
        with self._suffering(before):
            frames = self.courier.frames() if sends else []
        with self._suffering(before):
            self._tidy(came=came)
        self.intake.settle(self.spool)
        if self._failing and self.courier.welcome:
            self._failing = False
            self._tell(f"connected to {self.place}")
        return came, frames

    def lost(self, failure: str = "", *, by_peer: bool = False) -> float:
        """Give the seconds to wait before the next connection, as this one is gone; tell once per outage."""
        why = self.courier.fault if self.courier.ended else failure
        if why:
            self._fail(f"no connection to {self.place}: {why}; trying again")
        pause = RETRY
        with self._suffering(self.trouble):
            pause = self.courier.lost(by_peer=by_peer)
        return pause  # noqa: RET504 (an error may have ended the block before)

    def wait_for_answer(self) -> None:
        """Tell that the collector has not answered yet."""
        self._fail(f"{self.place} takes the connection but does not answer: is it a collector? waiting")

    def close(self) -> None:
        """Keep what can be kept, let go of the spool, and tell what is left."""
        why = ""
        try:
            while self._keep():
                pass
            self.spool.settle()
        except SpoolError as error:
            why = str(error)
        self.intake.is_over = True
        self.intake.settle(self.spool)
        self.spool.close()
        if self.intake.left:
            self._tell(f"{self.intake.left} lines are not acknowledged and {self._fate(why)}")

    def _fate(self, why: str) -> str:
        """Tell where those lines are that are left."""
        if not self.spool.is_lasting:
            return "were in memory and are lost"
        kept, how = self.spool.lines, f"`nodelog pipe --spool {self._where} </dev/null`"
        waiting = f"wait in {self._where}: the next run sends them, or {how}"
        lost = self.intake.left - kept
        if not lost:
            return waiting
        return f"{lost} of them are lost: {why}" + (f"; the others {waiting}" if kept else "")

    def _fail(self, text: str) -> None:
        """Tell it once, until there is a connection."""
        if not self._failing:
            self._failing = True
            self._tell(f"{text}, lines wait in {self._where}")

    def _keep(self) -> bool:
        lines = self.intake.take()
        if not lines and not self._news:
            return False
        try:
            self.spool.append([*self._news, *lines])
        except SpoolError:
            self.intake.give_back(lines)
            raise
        self._news.clear()
        return True

    def _tidy(self, *, came: bool) -> None:
        if self._drops:
            self.courier.make_room(self._most)
        if not came:
            self.spool.settle()

    @contextmanager
    def _suffering(self, before: str) -> Generator[None]:
        """Go on without the spool for a moment, or with another if it is damaged; tell it once."""
        try:
            try:
                yield
            except DamagedSpoolError:
                self.courier.ended = True
                self.spool.renew()
                self._announce_news()
        except SpoolError as error:
            self.trouble = str(error)
            if self.trouble != before:
                self._tell(f"{error}; nothing is lost so far, trying again every {RETRY:g} s")

    def _announce_news(self) -> None:
        for text in self.spool.news:
            self._announce(text)
        self.spool.news.clear()

    def _announce(self, text: str) -> None:
        self._tell(text)
        self._news.append(f"nodelog: {text}".encode())
