"""Types of options that only logcd has."""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nodelogd.compressor.scan.glob_patterns import parse_pattern
from nodelogd.compressor.upkeep.archive_names import MAX_TEMPLATE_BYTES, check_template
from nodelogd.service.option_types import OptionType

_MODE: Final = re.compile("0?[0-7]{3}")


class Mode(OptionType[int]):
    """`0640`: the permissions of a file."""

    name = "mode"
    noun = "mode"

    def parse(self, text: str) -> int:
        """Parse octal digits; logcd has to be able to read what it has written."""
        if _MODE.fullmatch(text) is None:
            raise ValueError("not a mode")
        if not int(text, 8) & 0o400:
            raise ValueError("not readable for logcd itself")
        if int(text, 8) & 0o022:  # such an archive is not taken for our own
            raise ValueError("writable for others")
        return int(text, 8)

    def to_text(self, value: int) -> str:
        """Return four octal digits."""
        return f"{value:04o}"

    def allowed_values(self) -> str:
        """Describe a mode."""
        return "octal digits from 0400 to 0755, such as 0640, writable for the owner alone"


class Zone(OptionType[tzinfo]):
    """`UTC`, `Europe/Berlin`: the time zone in which a day ends."""

    name = "zone"
    noun = "time zone"

    def parse(self, text: str) -> tzinfo:
        """Look the zone up in the system's database; UTC works without one."""
        if text == "UTC":
            return UTC
        try:
            return ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("not a time zone of this system") from None

    def to_text(self, value: tzinfo) -> str:
        """Return the name of the zone."""
        return str(value)

    def allowed_values(self) -> str:
        """Describe a zone."""
        return "UTC and the names of the time zone database, such as Europe/Berlin"


class Glob(OptionType[str]):
    """`pods/**/*.log`: files in the directory."""

    name = "glob"
    noun = "pattern"

    def parse(self, text: str) -> str:
        """Check a pattern."""
        parse_pattern(text)
        return text

    def to_text(self, value: str) -> str:
        """Return the pattern."""
        return value

    def allowed_values(self) -> str:
        """Describe a pattern."""
        return "patterns relative to --dir, ** for any folders, such as pods/**/*.log"


class ArchiveName(OptionType[str]):
    """`all-logs-{date}.tar.gz`: the name of the archives."""

    name = "name"
    noun = "name"

    def parse(self, text: str) -> str:
        """Check a name."""
        return check_template(text)

    def to_text(self, value: str) -> str:
        """Return the name."""
        return value

    def allowed_values(self) -> str:
        """Describe a name."""
        return (
            f"file names of up to {MAX_TEMPLATE_BYTES} bytes, {{date}} for the day, "
            "such as all-logs-{date}.tar.gz"
        )
