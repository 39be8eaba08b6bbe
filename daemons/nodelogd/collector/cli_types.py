"""The option types that only logd has."""

from __future__ import annotations

import re
from typing import Final

from nodelog import quantities
from nodelogd.collector.pipeline.sync_schedule import SyncMode, SyncPolicy
from nodelogd.service.option_types import OptionType

OWNER_MODE: Final = 0o600  # what every mode must contain
MIN_INTERVAL: Final = 0.01  # seconds
MAX_INTERVAL: Final = 3600.0  # seconds


class ModeType(OptionType[int]):
    """The mode of a file in octal digits: `644` or `0644`."""

    name = "mode"
    noun = "file mode"

    def parse(self, text: str) -> int:
        """Parse a mode, which must let its owner read and write."""
        if re.fullmatch(r"0?[0-7]{3}", text) is None:
            raise ValueError("not a file mode")
        mode = int(text, 8)
        if mode & OWNER_MODE != OWNER_MODE:
            raise ValueError("a mode with which logd could not read and write its own log")
        return mode

    def to_text(self, value: int) -> str:
        """Return a mode as the option accepts it."""
        return f"{value:04o}"

    def allowed_values(self) -> str:
        """Describe the allowed modes."""
        return "octal modes from 0600 to 0777, such as 0644"


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
