"""What a writer is told: when to sync, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nodelogd.collector.arena import Arena

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
    gap: float = 0.005  # seconds from one sync to the next at least, for Mode.BATCH

    @property
    def background(self) -> float | None:
        """Seconds until lines are synced in the background; None for never."""
        return {Mode.BATCH: BACKGROUND, Mode.INTERVAL: self.interval, Mode.OFF: None}[self.mode]


@dataclass(frozen=True, slots=True)
class Batch:
    """An arena full of whole lines, and which streams have blocks in it (the last block of each)."""

    arena: Arena
    pairs: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TurnOver:
    """Seal the file now."""


@dataclass(frozen=True, slots=True)
class Close:
    """Write and sync what is there, then end."""
