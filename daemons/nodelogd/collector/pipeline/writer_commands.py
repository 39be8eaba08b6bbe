"""Commands to the writer, beside the arenas that it writes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rotate:
    """Seal the active file now."""


@dataclass(frozen=True, slots=True)
class ForgetStream:
    """Forget a stream that has ended with everything acknowledged."""

    stream: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Write and sync everything received so far, then end."""
