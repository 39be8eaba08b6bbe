"""The time in which a port takes no connection, and whose time it is."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    from tests.deploy.kubelet.pod import Pod
    from tests.deploy.kubelet.running import Life

EVERY = 0.005  # seconds
PATIENCE = 0.2  # seconds; a connection within one machine that takes longer comes to nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """From the first connection that was refused to the first that was accepted; seconds since 1970."""

    began: float
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Whose time a gap is; seconds."""

    whole: float
    drain: float
    """Ours: from the first connection refused to the exit of the old process."""
    between: float
    """The runtime's: exit, sandbox and network gone, others made, the container before it, exec."""
    start: float
    """Ours: from exec to the first connection accepted."""

    @property
    def ours(self) -> float:
        """What of it we can do something about."""
        return self.drain + self.start


class Caller:
    """Somebody who calls a port again and again, as a context."""

    def __init__(self, address: str, port: int = 6666) -> None:
        """Prepare."""
        self.gaps: list[Gap] = []
        self._address = (address, port)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        refused: float | None = None
        while not self._ended.wait(EVERY):
            now = time.time()
            if not self._is_accepted():
                refused = refused or now
            elif refused:
                self.gaps.append(Gap(began=refused, ended=time.time()))
                refused = None

    def _is_accepted(self) -> bool:
        try:
            socket.create_connection(self._address, timeout=PATIENCE).close()
        except OSError:
            return False
        return True


def share(gaps: list[Gap], old: Life, new: Pod) -> Share:
    """Take the gap between two pods apart; short gaps in a row are one."""
    mine = [gap for gap in gaps if gap.ended > (old.asked or old.ended)]
    began, ended = mine[0].began, mine[-1].ended
    started = new.container().began
    return Share(
        whole=ended - began,
        drain=max(0.0, old.ended - began),
        between=started - max(old.ended, began),
        start=ended - started,
    )
