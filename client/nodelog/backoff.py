"""The delays between retries: they double up to a limit, with jitter so that clients do not retry in step."""

from collections.abc import Callable, Iterator


def delays(jitter: Callable[[], float], first: float = 0.1, limit: float = 5.0) -> Iterator[float]:
    """Yield the seconds to wait before each retry, without end.

    `jitter` returns a number from 0 to 1, as random.random does. It decides about the upper half of each
    delay: a node's clients lose their collector at the same moment and must not come back at the same moment.
    """
    longest = first
    while True:
        yield longest * (1 + jitter()) / 2
        longest = min(longest * 2, limit)
