"""`Shipper`: lines to the collector of this node, through a thread, until the collector has them."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nodelog.shipping.driver import Runner
from nodelog.shipping.engine import Carrier
from nodelog.shipping.line_queue import Intake
from nodelog.shipping.line_splitting import LONGEST, cut, line_of
from nodelog.shipping.settings import MAX_BYTES, PORT, settings_of
from nodelog.shipping.stats import Stats, stats_of
from nodelog.shipping.wakeup import Bell
from nodelog.spool.blocks import Run, SpoolError
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.memory_spool import Spool
from nodelog.spool.orphans import path_in_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

GRACE: Final = 1.0
"""Seconds for the thread to say goodbye, or to come back from the disk, when its time is over."""


class Shipper:
    """Takes lines and does not let go of them until the collector has acknowledged them.

    `host` and `port` say where the collector is; without a host it is at HOST_IP, or at one of HOST_IPS.
    Lines wait in memory or, if `spool` names a file, in it, and so survive the process. When `max_bytes`
    wait, `full` says what becomes of the next line: `block`, `drop-oldest` or `drop-newest`; what is dropped
    is counted and told in the stream. `tell` is called with what an operator should know, one line each, from
    another thread; without it that goes to standard error.

    Threads may share it. A forked child goes on with nothing of its parent's; where the parent has a file,
    the child has one of its own beside it. Raises NoHostError, SpoolError, ValueError.
    """

    def __init__(  # noqa: PLR0913 (each has a default that will do)
        self,
        host: str | None = None,
        port: int = PORT,
        *,
        spool: str | os.PathLike[str] | None = None,
        full: str = "block",
        max_bytes: int = MAX_BYTES,
        name: str | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings_of(
            host, port, spool=spool, full=full, max_bytes=max_bytes, name=name, tell=tell
        )
        path = self._settings.spool
        held = Spool() if path is None else FileSpool(path)
        self._prepare()
        self._start(held)
        forked = weakref.WeakMethod(self._forked)
        os.register_at_fork(after_in_child=lambda: (begin_anew := forked()) and begin_anew())
        atexit.register(self.close)  # who forgets it would lose the last lines, and not be told

    def send(self, line: str | bytes, timeout: float | None = None) -> bool:
        r"""Take a line; False if there is no room for it, with `full="block"` not within `timeout` seconds.

        A line feed at its end is left out, one within becomes `\n`. What is longer than 1 MiB becomes several
        lines. Raises ValueError after `close`.
        """
        data = line_of(line)
        if len(data) > LONGEST:
            return all([self.send(part, timeout) for part in cut(data)])  # noqa: C419 (each part is to be sent)
        return self._intake.offer(data) or self._intake.wait_for_room(data, timeout)

    def send_lines(self, lines: bytes, timeout: float | None = None) -> bool:
        """Take many lines at once, each with its LF, all or none; False as for `send`.

        It costs as much as one line; 64 KiB at a time are best. Raises ValueError for more than 1 MiB, for
        what does not end in an LF, and after `close`.
        """
        if not 0 < len(lines) <= LONGEST + 1 or not lines.endswith(b"\n"):
            raise ValueError(f"{len(lines)} bytes; it must be whole lines, {LONGEST} bytes of them at most")
        run = Run(memoryview(lines)[:-1])
        run.lines = lines.count(b"\n")
        return self._intake.offer(run, run.lines) or self._intake.wait_for_room(run, timeout, run.lines)

    def refuse(self, count: int = 1) -> None:
        """Count lines that were not taken in time and are given up, as those that were dropped."""
        self._intake.refuse(count)

    def keep(self, timeout: float | None = None) -> int:
        """Wait until all lines that were sent so far are in the spool; give how many are not."""
        self._bell.ring()  # it would let a few of them wait for more
        return self._intake.wait(self._intake.watch_kept(), timeout)

    def flush(self, timeout: float | None = None) -> int:
        """Wait until all lines so far are acknowledged, those of earlier runs too; give how many are not."""
        return self._intake.wait(self._intake.watch_gone(), timeout)

    def close(self, timeout: float | None = 5.0) -> int:
        """Take no more lines, `flush`, and end; give how many lines are left, and tell where they are."""
        atexit.unregister(self.close)
        self._intake.close()
        thread, runner = self._thread, self._runner
        if thread is None or runner is None:  # a forked child that sent nothing
            self._bell.close()
        elif thread.is_alive():
            runner.finish(0.0 if self.flush(timeout) else GRACE)
            self._bell.ring()
            thread.join(GRACE)
            if thread.is_alive():
                left = self._intake.left
                self._settings.tell(f"the disk does not answer; {left} lines are not acknowledged")
        return self._intake.left

    @property
    def stats(self) -> Stats:
        """What became of the lines so far."""
        return Stats() if self._runner is None else stats_of(self._runner.carrier)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self) -> None:
        self._bell = Bell()
        self._runner: Runner | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._intake = Intake(self._settings.max_bytes, self._settings.full, self._wake)

    def _start(self, spool: Spool) -> None:
        runner = self._runner = Runner(self._settings, Carrier(self._settings, spool, self._intake))
        self._thread = threading.Thread(target=_work, args=(runner, self._bell), name="nodelog", daemon=True)
        self._thread.start()

    def _wake(self) -> None:
        """Wake the thread."""
        if self._thread is None:
            self._start_in_child()
        self._bell.ring()

    def _start_in_child(self) -> None:
        """Start the thread of a forked child, which has its first line."""
        # Not waiting: who starts it may be ourselves, if a signal handler sends a line in the midst of it.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._runner is None and self._intake.left:
                self._start(self._spool_in_child())
        finally:
            self._starting.release()

    def _forked(self) -> None:
        """Let go of what is the parent's, in a forked child."""
        self._bell.close()
        if self._runner is not None and self._runner.link is not None:
            self._runner.link.close()  # else the collector would not see that the parent has hung up
        if self._settings.spool is not None:
            self._settings = replace(self._settings, spool=path_in_child(self._settings.spool))
        was_closed = self._intake.is_closed
        self._prepare()
        self._intake.wake_at(1)
        if was_closed:
            self._intake.close()

    def _spool_in_child(self) -> Spool:
        path = self._settings.spool
        if path is None:
            return Spool()
        try:
            return FileSpool(path, of_a_child=True)
        except SpoolError as error:
            self._settings.tell(f"{error}; in this forked process lines wait in memory")
            self._settings = replace(self._settings, spool=None)
            return Spool()


def _work(runner: Runner, bell: Bell) -> None:
    """Take turns; this is the thread."""
    try:
        seconds = runner.turn(is_ready=False)
        while not runner.is_over:
            seconds = runner.turn(is_ready=bell.wait(seconds, runner.link))
    finally:
        runner.close()
        bell.close()
