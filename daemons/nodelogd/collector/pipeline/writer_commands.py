"""What a writer is told beside the arenas it is given: when to sync, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

BACKGROUND = 4.0  # seconds after which lines nobody waits for are synced; with the sync itself, within five


class Mode(Enum):
    """When an acknowledged batch is synced."""

    BATCH = auto()  # before its senders are told
    INTERVAL = auto()  # in the background, every so often
    OFF = auto()  # when the kernel likes


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPolicy:
    """The `--sync` option."""

    mode: Mode = Mode.BATCH
    interval: float = 1.0  # seconds, for Mode.INTERVAL
    gap: float = 0.005  # seconds from the beginning of one sync to the next at least, for Mode.BATCH

    @property
    def background(self) -> float | None:
        """Seconds until lines are synced in the background; None for never."""
        return {Mode.BATCH: BACKGROUND, Mode.INTERVAL: self.interval, Mode.OFF: None}[self.mode]


@dataclass(frozen=True, slots=True)
class TurnOver:
    """Seal the file now."""


@dataclass(frozen=True, slots=True)
class Forget:
    """A stream has ended with everything acknowledged."""

    stream: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Write and sync what is there, then end."""
