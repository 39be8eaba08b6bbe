"""Values of the options that only logcd has; rejected ones are tested in `test_cli.py`."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from nodelogd.compressor.cli_types import ArchiveName, Glob, Mode, Zone


@pytest.mark.parametrize(("text", "mode"), [("0600", 0o600), ("640", 0o640), ("0444", 0o444)])
def test_a_mode_is_octal(text: str, mode: int) -> None:
    assert Mode().parse(text) == mode
    assert Mode().parse(Mode().to_text(mode)) == mode


@pytest.mark.parametrize(("text", "zone"), [("UTC", UTC), ("Europe/Berlin", ZoneInfo("Europe/Berlin"))])
def test_a_zone_is_displayed_as_it_was_written(text: str, zone: object) -> None:
    assert Zone().parse(text) == zone
    assert Zone().to_text(Zone().parse(text)) == text


def test_patterns_and_names_are_displayed_as_they_were_written() -> None:
    for value, text in ((Glob(), "pods/**/*.log"), (ArchiveName(), "logs-{date}.tgz")):
        assert value.parse(text) == value.to_text(text) == text
