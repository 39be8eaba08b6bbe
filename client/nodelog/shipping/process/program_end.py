"""The end of a program, for handlers of `logging`.

`logging` closes its handlers about last, but only those that it still knows: `dictConfig` closes all, and
forgets those that stay attached to a logger.
"""

from __future__ import annotations

import atexit
import logging


class ProgramEnd:
    """Closes handlers at exit, when `logging` closes its own."""

    def __init__(self) -> None:
        self.has_come = False
        """True once the program is ending."""
        self.open_handlers: set[logging.Handler] = set()
        """The handlers that are to be closed."""
        self.closers: set[_Closer] = set()
        atexit.register(self._come)  # after `logging` has registered its own end, so called before that

    def _come(self) -> None:
        self.has_come = True
        self.closers = {_Closer(handler, self) for handler in self.open_handlers}


class _Closer(logging.Handler):
    """A handler that `logging` knows, and closes in place of another."""

    def __init__(self, other: logging.Handler, end: ProgramEnd) -> None:
        super().__init__()
        self._other = other
        self._end = end

    def close(self) -> None:
        """Close the other handler."""
        self._other.close()
        super().close()
        # `logging` must not hear of the end of a handler when the interpreter has taken its parts away.
        self._end.closers.discard(self)


program_end = ProgramEnd()
