"""`Shipper`: lines to the collector of this node, sent by a thread and kept until the collector has them."""

from __future__ import annotations

import atexit
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nodelog.shipping.line_queue import LineQueue
from nodelog.shipping.line_splitting import MAX_LINE_BYTES, split_long_line, to_line
from nodelog.shipping.process.child_exit import call_at_child_exit, is_terminable_child
from nodelog.shipping.process.fork_hooks import call_at_forks, open_late
from nodelog.shipping.process.shipping_thread import ShippingThread
from nodelog.shipping.settings import DEFAULT_MAX_BYTES, DEFAULT_PORT, make_settings
from nodelog.shipping.stats import Stats, collect_stats
from nodelog.spool.blocks import LineBatch
from nodelog.spool.memory_spool import MemorySpool
from nodelog.spool.process_files import forked_spool_path, open_spool
from nodelog.unpatched import allocate_lock, is_patched, new_rlock

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Self

    from nodelog.spool.spool import Spool

_SECURE_SECONDS: Final = 0.25
"""How long a line may hold up a child that can be ended at any time."""


class Shipper:
    """Accepts lines and keeps them until the collector has acknowledged them.

    `host` and `port` are the collector's address; without a host it is HOST_IP, or one of HOST_IPS. Lines
    wait in memory or, if `spool` is the path of a file, in that file, where they survive the process; with
    `{pid}` in its name, or if it is a folder, each process has a file of its own. When `max_bytes` are
    waiting, `full` decides about the next line: `block`, `drop-oldest` or `drop-newest`; dropped lines are
    counted, and a line in the stream reports them. `tell` is called from another thread with each message for
    an operator, one line; by default these go to standard error.

    Threads may share it. A forked child inherits nothing that its parent has not sent; if the parent has a
    file, the child has one of its own beside it. Raises NoHostError, SpoolError, ValueError.
    """

    def __init__(  # noqa: PLR0913 (each has a usable default)
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
        opened = MemorySpool() if path is None else open_spool(path)
        self._is_child = False
        self._is_terminable = False
        self._can_secure_before_fork = True
        self._reset()
        self._start_thread(opened)
        call_at_forks(self._before_fork, self._after_fork_in_child)
        self.at_exit(self.close)  # a program that forgets it would lose the last lines without a message

    def send(self, line: str | bytes, timeout: float | None = None) -> bool:
        r"""Accept a line; False if there is no room for it, with `full="block"` not within `timeout` seconds.

        A line feed at its end is removed, one inside becomes `\n`. A line of more than 1 MiB becomes several
        lines. Raises ValueError after `close`.
        """
        data = to_line(line)
        if len(data) > MAX_LINE_BYTES:
            return all([self.send(part, timeout) for part in split_long_line(data)])  # noqa: C419 (send each part)
        is_accepted = self._queue.offer(data) or self._queue.offer_blocking(data, timeout)
        if self._is_terminable:
            self._secure_lines()
        return is_accepted

    def send_lines(self, lines: bytes, timeout: float | None = None) -> bool:
        """Accept many lines at once, each with its LF, all or none; False as for `send`.

        It costs as much as one line; 64 KiB at a time are best. Raises ValueError for more than 1 MiB, for
        bytes that do not end in an LF, and after `close`.
        """
        if not 0 < len(lines) <= MAX_LINE_BYTES + 1 or not lines.endswith(b"\n"):
            raise ValueError(f"{len(lines)} bytes; they must be whole lines, at most {MAX_LINE_BYTES} bytes")
        batch = LineBatch(memoryview(lines)[:-1])
        batch.lines = lines.count(b"\n")
        is_accepted = self._queue.offer(batch, batch.lines) or self._queue.offer_blocking(
            batch, timeout, batch.lines
        )
        if self._is_terminable:
            self._secure_lines()
        return is_accepted

    def refuse(self, count: int = 1) -> None:
        """Count lines that `send` did not accept and that are given up, so that the stream reports them."""
        self._queue.count_refused(count)

    def keep(self, timeout: float | None = None) -> int:
        """Wait until all lines sent so far are in the spool; return how many are not."""
        if self._thread is not None:
            self._thread.wake()  # otherwise the driver would let a few lines wait for more
        return self._wait_until_zero(self._queue.watch_unspooled(), timeout)

    def flush(self, timeout: float | None = None) -> int:
        """Wait until all lines so far, and of earlier runs, are acknowledged; return how many are not.

        With a file, these include what ended child processes have left.
        """
        if self.has_file and self._thread is not None:
            driver = self._thread.driver
            driver.adopts_orphans = True
            self._thread.wake()
            self._thread.wait_until_zero(lambda: int(driver.adopts_orphans), timeout)
        return self._wait_until_zero(self._queue.watch_unacknowledged(), timeout)

    def close(self, timeout: float | None = 5.0) -> int:
        """Accept no more lines, `flush`, and end; return how many lines are left, and report where."""
        atexit.unregister(self.close)
        with self._open_lock:
            self._queue.close()
            if self._thread is not None:  # it is None in a forked child that sent nothing
                self._thread.end(self.flush, timeout)
            elif left := self._queue.unacknowledged:
                self._settings.tell(f"{left} lines are lost: the program has no descriptors left")
            return self._queue.unacknowledged

    def reopen(self) -> None:
        """Accept lines again after `close`, which is waited for; the first one starts a thread."""
        with self._open_lock:
            if self._queue.is_closed:
                self._reset()
                self._queue.request_wakeup(1)

    def at_exit(self, close: Callable[[], object]) -> None:
        """Call this method at the end of the program, or of a child of `multiprocessing`."""
        atexit.unregister(self.close)
        if close == self.close:
            atexit.register(close)
        self._close_at_exit = close
        self._watch_child()

    @property
    def has_file(self) -> bool:
        """Return whether lines wait in a file, and not only in memory."""
        return self._settings.spool is not None

    def tell(self, text: str) -> None:
        """Report a message for an operator, one line."""
        self._settings.tell(text)

    @property
    def stats(self) -> Stats:
        """What became of the lines so far."""
        return Stats() if self._thread is None else collect_stats(self._thread.driver.engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _reset(self) -> None:
        self._thread: ShippingThread | None = None
        self._start_lock = allocate_lock()  # held while the first line starts the thread
        self._open_lock = new_rlock()  # held by `close` and `reopen`, which a signal handler may call
        self._queue = LineQueue(self._settings.max_bytes, self._settings.full, self._wake)

    def _start_thread(self, spool: Spool) -> None:
        try:
            thread = ShippingThread(self._settings, spool, self._queue)
        except OSError:
            spool.close()
            raise
        self._thread = thread
        thread.start()

    def _wake(self) -> None:
        """Wake the thread; start it with the first line, after a fork or a `reopen`."""
        if self._thread is None:
            self._start_with_first_line()
        elif self._thread.start():
            self._thread.wake()
        else:
            self._thread.drive(lambda: True, 0.0)  # one step, which does not wait

    def _start_with_first_line(self) -> None:
        # Without waiting: the starter may be this very thread, if a signal handler sends a line meanwhile.
        if not self._start_lock.acquire(blocking=False):
            return
        try:
            if self._thread is None and self._queue.unacknowledged:
                self._settings, spool = open_late(self._settings, is_child=self._is_child)
                self._start_thread(spool)
                # The guard of this file is called before `_before_fork`, which would wait in vain.
                self._can_secure_before_fork = not self.has_file
                if self._is_child:
                    self._watch_child()
        except OSError:  # no descriptors are left: try again with the next line
            self._queue.request_wakeup(1)
        finally:
            self._start_lock.release()

    def _watch_child(self) -> None:
        """Learn whether this process is a child of `multiprocessing`, and when it ends."""
        self._is_terminable = is_terminable_child()
        call_at_child_exit(self._close_at_exit)

    def _secure_lines(self) -> None:
        """Wait until the lines survive the end of this process, unless the collector is away."""
        if self.has_file:
            self.keep(_SECURE_SECONDS)
        elif self._thread is not None and not self._thread.driver.engine.in_outage:
            self.flush(_SECURE_SECONDS)

    def _wait_until_zero(self, remaining: Callable[[], int], timeout: float | None) -> int:
        return remaining() if self._thread is None else self._thread.wait_until_zero(remaining, timeout)

    def _before_fork(self) -> None:
        """Secure the lines of a program that becomes a daemon: its first process ends at once."""
        if self._can_secure_before_fork and not is_patched() and self._queue.unacknowledged:
            self._secure_lines()

    def _after_fork_in_child(self) -> None:
        """Release what belongs to the parent, and start afresh with no lines; make nothing yet.

        A child that makes itself a daemon is about to close every descriptor that it does not know.
        """
        if self._thread is not None:
            self._thread.abandon()
        if self._settings.spool is not None:
            self._settings = replace(self._settings, spool=forked_spool_path(self._settings.spool))
        self._is_child = True
        was_closed = self._queue.is_closed
        self._reset()
        self._queue.request_wakeup(1)
        if was_closed:
            self._queue.close()
