from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.upkeep.scrub import Scrubbed
from nodelogd.compressor.upkeep.scrub_schedule import Scrubs

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1e9
DAY = 86_400.0


@pytest.fixture
def stamp(tmp_path: Path) -> Path:
    return tmp_path / ".scrubbed"


def test_what_is_new_is_scrubbed_after_the_interval_and_over_a_restart(stamp: Path) -> None:
    assert not Scrubs(stamp, DAY, Metrics()).is_due(NOW)
    assert not Scrubs(stamp, DAY, Metrics()).is_due(NOW + DAY - 1)
    assert Scrubs(stamp, DAY, Metrics()).is_due(NOW + DAY)


def test_without_an_interval_it_is_never_scrubbed(stamp: Path) -> None:
    assert not Scrubs(stamp, None, Metrics()).is_due(NOW)
    assert not stamp.exists()


def test_a_clock_that_was_set_back_does_not_put_it_off(stamp: Path) -> None:
    scrubs = Scrubs(stamp, DAY, Metrics())
    scrubs.is_due(NOW)
    assert not scrubs.is_due(NOW - 100 * DAY)
    assert scrubs.is_due(NOW - 99 * DAY)


@pytest.mark.parametrize(
    ("found", "result", "said"),
    [
        (Scrubbed(), "clean", []),
        (Scrubbed(edited=2), "edited", []),
        (Scrubbed(damage="7 bytes at 8 are damaged"), "damaged", ["/a is damaged: 7 bytes at 8 are damaged"]),
    ],
)
def test_what_was_found_is_counted_and_damage_said(
    stamp: Path, found: Scrubbed, result: str, said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    Scrubs(stamp, DAY, metrics).note(stamp.parent / "a", found)
    count = metrics.registry.get_sample_value("nodelog_archive_scrubs_total", {"result": result})
    assert count == 1
    wanted = [f"{stamp.parent}{text}; it is made anew" for text in said]
    assert caplog.messages == wanted
    assert time.time() - stamp.stat().st_mtime < DAY
    assert os.stat(stamp).st_mode & 0o777 == 0o600
