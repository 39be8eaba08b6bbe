"""The option types that only logd has."""

from __future__ import annotations

from typing import Final

from nodelog import quantities
from nodelogd.collector.pipeline.sync_schedule import SyncMode, SyncPolicy
from nodelogd.service.option_types import OptionType

MIN_INTERVAL: Final = 0.01  # seconds
MAX_INTERVAL: Final = 3600.0  # seconds


class SyncPolicyType(OptionType[SyncPolicy]):
    """`batch`, `interval=1s` or `off`."""

    name = "policy"
    noun = "sync policy"

    def parse(self, text: str) -> SyncPolicy:
        """Parse a mode and its interval."""
        mode, _, interval = text.partition("=")
        if text in {"batch", "off"}:
            return SyncPolicy(mode=SyncMode[text.upper()])
        if mode != "interval":
            raise ValueError("not a sync policy")
        try:
            seconds = quantities.parse_duration(interval)
        except ValueError:
            raise ValueError("not a sync policy") from None
        if not MIN_INTERVAL <= seconds <= MAX_INTERVAL:
            raise ValueError("out of range")
        return SyncPolicy(mode=SyncMode.INTERVAL, interval=seconds)

    def to_text(self, value: SyncPolicy) -> str:
        """Return a policy as the option accepts it."""
        mode = value.mode.name.lower()
        return f"{mode}={value.interval:g}s" if value.mode is SyncMode.INTERVAL else mode

    def allowed_values(self) -> str:
        """Describe the allowed policies."""
        return "batch, interval=TIME from 10ms to 1h, and off"
