"""When the event loop naps: after a turn of many small reads.

A client that writes one line at a time costs a wake-up and a system call per line. A loop that sleeps for a
millisecond after many small reads finds several lines per read when it comes back: at 8 connections that
doubles the throughput and takes a fifth of the CPU per line. An idle collector never naps, nor does one
that receives large blocks.
"""

NAP = 0.001  # seconds
MIN_READS = 4  # reads in one turn; after fewer there is no nap
SMALL_READ = 2048  # bytes per read on average; from this size up there is no nap


def nap(reads: int, received: int) -> float:
    """Return the seconds to sleep after a turn of `reads` reads that brought `received` bytes."""
    return NAP if reads >= MIN_READS and received < reads * SMALL_READ else 0.0
