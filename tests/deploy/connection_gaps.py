"""How long a port refuses connections while a pod is replaced, and what takes the time."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    from tests.deploy.kubelet.pod import Pod
    from tests.deploy.kubelet.running_container import ContainerRun


INTERVAL = 0.005  # seconds
TIMEOUT = 0.2  # seconds; a connection within one machine that takes longer will not succeed


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionGap:
    """From the first refused connection to the next accepted one; seconds since the epoch."""

    started: float
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GapBreakdown:
    """The parts of a gap in seconds."""

    total: float
    drain: float
    """Ours: from the first connection refused to the exit of the old process."""
    runtime: float
    """The runtime's: removing sandbox and network, creating new ones, the init container, exec."""
    start: float
    """Ours: from exec to the first connection accepted."""

    @property
    def ours(self) -> float:
        """The part that our code determines."""
        return self.drain + self.start


class ConnectionPoller:
    """Connects to a port repeatedly while the block runs, and records the gaps."""

    def __init__(self, address: str, port: int = 6666) -> None:
        """Prepare; the block starts it."""
        self.gaps: list[ConnectionGap] = []
        self._address = (address, port)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        refused: float | None = None
        while not self._stopped.wait(INTERVAL):
            now = time.time()
            if not self._is_accepted():
                refused = refused or now
            elif refused:
                self.gaps.append(ConnectionGap(started=refused, ended=time.time()))
                refused = None

    def _is_accepted(self) -> bool:
        try:
            socket.create_connection(self._address, timeout=TIMEOUT).close()
        except OSError:
            return False
        return True


def break_down(gaps: list[ConnectionGap], old: ContainerRun, new: Pod) -> GapBreakdown:
    """Break down the gap between two pods; several short gaps count as one."""
    relevant = [gap for gap in gaps if gap.ended > (old.stopped_at or old.ended)]
    gap_start, gap_end = relevant[0].started, relevant[-1].ended
    executed = new.container().started
    return GapBreakdown(
        total=gap_end - gap_start,
        drain=max(0.0, old.ended - gap_start),
        runtime=executed - max(old.ended, gap_start),
        start=gap_end - executed,
    )
