"""How the loop paces itself under load: when it naps, and how long it gathers.

A client that writes one line at a time costs a wake-up and a system call per line. A loop that sleeps a
millisecond after many small reads finds several lines per read when it comes back: at 8 connections twice
the throughput for a fifth of the CPU per line. An idle collector, or one that is fed in blocks, never naps.

A batch costs the same whatever its size: a record, a handful of system calls, a wake-up of the writer.
So what comes within a millisecond of the last batch waits for that millisecond; a single line does not.
"""

GATHER = 0.001  # seconds from one hand-over to the writer to the next, unless an arena is full
NAP = 0.001  # seconds
MANY = 4  # reads in one turn
SMALL = 2048  # bytes per read


def nap(reads: int, received: int) -> float:
    """Give the seconds to sleep after a turn of so many reads that brought so many bytes."""
    return NAP if reads >= MANY and received < reads * SMALL else 0.0
