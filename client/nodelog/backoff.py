"""How long to wait before the next try: longer each time, up to a limit, and never all clients at once."""

from collections.abc import Callable, Iterator


def delays(draw: Callable[[], float], first: float = 0.1, most: float = 5.0) -> Iterator[float]:
    """Yield the seconds to wait before each further try, without end.

    `draw` gives a number from 0 to 1, as random.random does. The upper half of each wait is drawn: a node's
    clients lose their collector in the same instant and must not come back in the same one.
    """
    limit = first
    while True:
        yield limit * (1 + draw()) / 2
        limit = min(limit * 2, most)
