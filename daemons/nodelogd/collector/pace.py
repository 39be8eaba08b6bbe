"""When the loop naps, so that the kernel gathers: a pure rule.

A client that writes one line at a time costs a wake-up and a system call per line. A loop that sleeps a
millisecond after many small reads finds several lines per read when it comes back: at 8 connections twice
the throughput for a fifth of the CPU per line. An idle collector, or one that is fed in blocks, never naps.
"""

NAP = 0.001  # seconds
MANY = 4  # reads in one turn
SMALL = 2048  # bytes per read


def nap(reads: int, received: int) -> float:
    """Give the seconds to sleep after a turn of so many reads that brought so many bytes."""
    return NAP if reads >= MANY and received < reads * SMALL else 0.0
