"""When the event loop naps: after a turn of many small reads.

A client that writes one line at a time costs a wake-up and a system call per line. A loop that sleeps for a
millisecond after many small reads finds several lines per read when it comes back: at 8 connections that
doubles the throughput and takes a fifth of the CPU per line. An idle collector never naps, nor does one
that receives large blocks.

A nap ends at once when something comes that is not one more line of a stream: a new connection, the first
line of a connection, or its end. Its client may be waiting for the collector.
"""

from __future__ import annotations

import select
from contextlib import suppress

NAP = 0.001  # seconds
SHORT_NAP = 0.0005  # after a turn that brought little: a few lines must not wait long
SMALL_TURN = 4096  # bytes
MIN_READS = 4  # reads in one turn; after fewer there is no nap
SMALL_READ = 2048  # bytes per read on average; from this size up there is no nap
MAX_SELECTED = 1024  # select() knows only descriptors below; the set is among the first that are opened
MAX_INTERRUPTS = 64  # connections that are looked at after a nap; the others are still there after the next


class Pacing:
    """Naps, and what interrupts them: an epoll set beside the one that is read."""

    def __init__(self) -> None:
        """Watch nothing."""
        self._interrupts = select.epoll()
        self._listeners: set[int] = set()

    def watch_listener(self, descriptor: int) -> None:
        """Let new connections of a listening socket interrupt naps."""
        self._listeners.add(descriptor)
        self._interrupts.register(descriptor, select.EPOLLIN)

    def unwatch_listener(self, descriptor: int) -> None:
        """Let new connections wait until a nap is over."""
        self._listeners.remove(descriptor)
        self._interrupts.unregister(descriptor)

    def watch_connection(self, descriptor: int) -> None:
        """Let the first line of a connection, and its end, interrupt naps, until it is closed.

        Raises OSError.
        """
        self._interrupts.register(descriptor, select.EPOLLIN | select.EPOLLRDHUP)

    def nap_after(self, reads: int, received: int) -> None:
        """Sleep after a turn of `reads` reads that brought `received` bytes, if that saves work."""
        if (seconds := nap_time(reads, received)) and self._is_interrupted(seconds):
            for descriptor, event in self._interrupts.poll(0, MAX_INTERRUPTS):
                if event == select.EPOLLIN and descriptor not in self._listeners:
                    with suppress(OSError):  # it was closed
                        self._interrupts.modify(descriptor, select.EPOLLRDHUP)  # it has had its first line

    def _is_interrupted(self, seconds: float) -> bool:
        """Sleep; return True if something has ended it before its time."""
        if self._interrupts.fileno() < MAX_SELECTED:  # epoll itself cannot wait for less than a millisecond
            return bool(select.select([self._interrupts], [], [], seconds)[0])
        return bool(self._interrupts.poll(seconds, 1))

    def close(self) -> None:
        """Close the set."""
        self._interrupts.close()


def nap_time(reads: int, received: int) -> float:
    """Return the seconds to sleep after a turn of `reads` reads that brought `received` bytes."""
    if reads < MIN_READS or received >= reads * SMALL_READ:
        return 0.0
    return SHORT_NAP if received < SMALL_TURN else NAP
