"""`Shipper`: lines to the collector of this node, through a thread, until the collector has them."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nodelog.shipping.driver import Driver
from nodelog.shipping.engine import ShippingEngine
from nodelog.shipping.line_queue import LineQueue
from nodelog.shipping.line_splitting import MAX_LINE_BYTES, split_long_line, to_line
from nodelog.shipping.settings import DEFAULT_MAX_BYTES, DEFAULT_PORT, make_settings
from nodelog.shipping.stats import Stats, collect_stats
from nodelog.shipping.wakeup import Wakeup
from nodelog.spool.blocks import LineBatch, SpoolError
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.memory_spool import MemorySpool
from nodelog.spool.orphans import child_spool_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from nodelog.spool.spool import Spool

GRACE_SECONDS: Final = 1.0
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
        port: int = DEFAULT_PORT,
        *,
        spool: str | os.PathLike[str] | None = None,
        full: str = "block",
        max_bytes: int = DEFAULT_MAX_BYTES,
        name: str | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = make_settings(
            host, port, spool=spool, full=full, max_bytes=max_bytes, name=name, tell=tell
        )
        path = self._settings.spool
        held = MemorySpool() if path is None else FileSpool(path)
        self._reset()
        self._start_thread(held)
        forked = weakref.WeakMethod(self._after_fork_in_child)
        os.register_at_fork(after_in_child=lambda: (begin_anew := forked()) and begin_anew())
        atexit.register(self.close)  # who forgets it would lose the last lines, and not be told

    def send(self, line: str | bytes, timeout: float | None = None) -> bool:
        r"""Take a line; False if there is no room for it, with `full="block"` not within `timeout` seconds.

        A line feed at its end is left out, one within becomes `\n`. What is longer than 1 MiB becomes several
        lines. Raises ValueError after `close`.
        """
        data = to_line(line)
        if len(data) > MAX_LINE_BYTES:
            return all([self.send(part, timeout) for part in split_long_line(data)])  # noqa: C419 (each part is to be sent)
        return self._queue.offer(data) or self._queue.offer_blocking(data, timeout)

    def send_lines(self, lines: bytes, timeout: float | None = None) -> bool:
        """Take many lines at once, each with its LF, all or none; False as for `send`.

        It costs as much as one line; 64 KiB at a time are best. Raises ValueError for more than 1 MiB, for
        what does not end in an LF, and after `close`.
        """
        if not 0 < len(lines) <= MAX_LINE_BYTES + 1 or not lines.endswith(b"\n"):
            raise ValueError(
                f"{len(lines)} bytes; it must be whole lines, {MAX_LINE_BYTES} bytes of them at most"
            )
        run = LineBatch(memoryview(lines)[:-1])
        run.lines = lines.count(b"\n")
        return self._queue.offer(run, run.lines) or self._queue.offer_blocking(run, timeout, run.lines)

    def refuse(self, count: int = 1) -> None:
        """Count lines that were not taken in time and are given up, as those that were dropped."""
        self._queue.count_refused(count)

    def keep(self, timeout: float | None = None) -> int:
        """Wait until all lines that were sent so far are in the spool; give how many are not."""
        self._wakeup.wake()  # it would let a few of them wait for more
        return self._queue.wait_until_zero(self._queue.watch_unspooled(), timeout)

    def flush(self, timeout: float | None = None) -> int:
        """Wait until all lines so far are acknowledged, those of earlier runs too; give how many are not."""
        return self._queue.wait_until_zero(self._queue.watch_unacknowledged(), timeout)

    def close(self, timeout: float | None = 5.0) -> int:
        """Take no more lines, `flush`, and end; give how many lines are left, and tell where they are."""
        atexit.unregister(self.close)
        self._queue.close()
        thread, runner = self._thread, self._driver
        if thread is None or runner is None:  # a forked child that sent nothing
            self._wakeup.close()
        elif thread.is_alive():
            runner.finish(0.0 if self.flush(timeout) else GRACE_SECONDS)
            self._wakeup.wake()
            thread.join(GRACE_SECONDS)
            if thread.is_alive():
                left = self._queue.unacknowledged
                self._settings.tell(f"the disk does not answer; {left} lines are not acknowledged")
        return self._queue.unacknowledged

    @property
    def stats(self) -> Stats:
        """What became of the lines so far."""
        return Stats() if self._driver is None else collect_stats(self._driver.engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _reset(self) -> None:
        self._wakeup = Wakeup()
        self._driver: Driver | None = None
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        self._queue = LineQueue(self._settings.max_bytes, self._settings.full, self._wake)

    def _start_thread(self, spool: Spool) -> None:
        runner = self._driver = Driver(self._settings, ShippingEngine(self._settings, spool, self._queue))
        self._thread = threading.Thread(target=_run, args=(runner, self._wakeup), name="nodelog", daemon=True)
        self._thread.start()

    def _wake(self) -> None:
        """Wake the thread."""
        if self._thread is None:
            self._start_in_child()
        self._wakeup.wake()

    def _start_in_child(self) -> None:
        """Start the thread of a forked child, which has its first line."""
        # Not waiting: who starts it may be ourselves, if a signal handler sends a line in the midst of it.
        if not self._start_lock.acquire(blocking=False):
            return
        try:
            if self._driver is None and self._queue.unacknowledged:
                self._start_thread(self._open_child_spool())
        finally:
            self._start_lock.release()

    def _after_fork_in_child(self) -> None:
        """Let go of what is the parent's, in a forked child."""
        self._wakeup.close()
        if self._driver is not None and self._driver.connection is not None:
            self._driver.connection.close()  # else the collector would not see that the parent has hung up
        if self._settings.spool is not None:
            self._settings = replace(self._settings, spool=child_spool_path(self._settings.spool))
        was_closed = self._queue.is_closed
        self._reset()
        self._queue.request_wakeup(1)
        if was_closed:
            self._queue.close()

    def _open_child_spool(self) -> Spool:
        path = self._settings.spool
        if path is None:
            return MemorySpool()
        try:
            return FileSpool(path, of_a_child=True)
        except SpoolError as error:
            self._settings.tell(f"{error}; in this forked process lines wait in memory")
            self._settings = replace(self._settings, spool=None)
            return MemorySpool()


def _run(runner: Driver, bell: Wakeup) -> None:
    """Take turns; this is the thread."""
    try:
        seconds = runner.step(is_ready=False)
        while not runner.is_finished:
            seconds = runner.step(is_ready=bell.wait(seconds, runner.connection))
    finally:
        runner.close()
        bell.close()
