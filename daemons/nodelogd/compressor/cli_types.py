"""The values that only logcd's options take."""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nodelogd.compressor.scan.glob_patterns import parse
from nodelogd.compressor.upkeep.archive_names import LONGEST, template
from nodelogd.service.option_types import OptionType

_MODE: Final = re.compile("0?[0-7]{3}")


class Mode(OptionType[int]):
    """`0640`: the permissions of a file."""

    name = "mode"
    noun = "mode"

    def parse(self, text: str) -> int:
        """Read octal digits; whoever may not read what he wrote himself cannot go on with it."""
        if _MODE.fullmatch(text) is None:
            raise ValueError("not a mode")
        if not int(text, 8) & 0o400:
            raise ValueError("not readable for logcd itself")
        return int(text, 8)

    def to_text(self, value: int) -> str:
        """Write it."""
        return f"{value:04o}"

    def allowed_values(self) -> str:
        """Say what a mode looks like."""
        return "octal digits from 0400 to 0777, such as 0640"


class Zone(OptionType[tzinfo]):
    """`UTC`, `Europe/Berlin`: when a day ends."""

    name = "zone"
    noun = "time zone"

    def parse(self, text: str) -> tzinfo:
        """Find it in the system's database; UTC needs none."""
        if text == "UTC":
            return UTC
        try:
            return ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("not a time zone of this system") from None

    def to_text(self, value: tzinfo) -> str:
        """Write it."""
        return str(value)

    def allowed_values(self) -> str:
        """Say what a zone looks like."""
        return "UTC and the names of the time zone database, such as Europe/Berlin"


class Glob(OptionType[str]):
    """`pods/**/*.log`: files in the directory."""

    name = "glob"
    noun = "pattern"

    def parse(self, text: str) -> str:
        """Check it."""
        parse(text)
        return text

    def to_text(self, value: str) -> str:
        """Write it."""
        return value

    def allowed_values(self) -> str:
        """Say what a pattern looks like."""
        return "patterns relative to --dir, ** for any folders, such as pods/**/*.log"


class ArchiveName(OptionType[str]):
    """`all-logs-{date}.tar.gz`: how archives are called."""

    name = "name"
    noun = "name"

    def parse(self, text: str) -> str:
        """Check it."""
        return template(text)

    def to_text(self, value: str) -> str:
        """Write it."""
        return value

    def allowed_values(self) -> str:
        """Say what a name looks like."""
        return (
            f"names of files of up to {LONGEST} bytes, {{date}} for the day, such as all-logs-{{date}}.tar.gz"
        )
