"""A log that writes the same message at most once per interval: for messages that peers can cause at will."""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

MAX_KEYS: Final = 1000


class RateLimitedLog:
    """Logs each key at most once in `seconds`, and says how often it was suppressed. Thread-safe.

    It remembers MAX_KEYS keys; beyond that, it forgets the one that was logged longest ago.
    """

    def __init__(
        self, log: logging.Logger, seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._seconds = seconds
        self._clock = clock
        self._keys: dict[str, tuple[float, int]] = {}  # when it was logged, how often suppressed since
        self._lock = threading.Lock()

    def log(
        self,
        level: int,
        key: str,
        message: str,
        *args: object,
        extra: Mapping[str, object] | None = None,
        exc_info: BaseException | None = None,
    ) -> None:
        """Log a message, unless one with this key was logged within the interval."""
        suppressed = self.admit(key)
        if suppressed is None:
            return
        if suppressed:
            message, args = f"{message} (repeated %d times)", (*args, suppressed)
        self._log.log(level, message, *args, extra=extra, exc_info=exc_info)

    def admit(self, key: str) -> int | None:
        """Return how often this key was suppressed since it was last logged, or None to suppress it again."""
        now = self._clock()
        with self._lock:
            logged, suppressed = self._keys.get(key, (-math.inf, 0))
            if now - logged < self._seconds:
                self._keys[key] = logged, suppressed + 1
                return None
            self._keys.pop(key, None)  # reinserted at the end, so that the first key is the oldest
            self._keys[key] = now, 0
            if len(self._keys) > MAX_KEYS:
                del self._keys[next(iter(self._keys))]
            return suppressed
