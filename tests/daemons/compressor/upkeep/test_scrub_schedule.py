from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.upkeep.archive_scrub import ScrubResult
from nodelogd.compressor.upkeep.scrub_schedule import ScrubSchedule

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1e9
DAY = 86_400.0


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / ".scrubbed"


def test_the_first_scrub_is_due_after_the_interval_even_across_restarts(marker: Path) -> None:
    assert not ScrubSchedule(marker, DAY, Metrics()).is_due(NOW)
    assert not ScrubSchedule(marker, DAY, Metrics()).is_due(NOW + DAY - 1)
    assert ScrubSchedule(marker, DAY, Metrics()).is_due(NOW + DAY)


def test_without_an_interval_no_scrub_is_due(marker: Path) -> None:
    assert not ScrubSchedule(marker, None, Metrics()).is_due(NOW)
    assert not marker.exists()


def test_a_clock_that_was_set_back_does_not_delay_the_scrub(marker: Path) -> None:
    schedule = ScrubSchedule(marker, DAY, Metrics())
    schedule.is_due(NOW)
    assert not schedule.is_due(NOW - 100 * DAY)
    assert schedule.is_due(NOW - 99 * DAY)


@pytest.mark.parametrize(
    ("scrub_result", "result", "messages"),
    [
        (ScrubResult(), "clean", []),
        (ScrubResult(edited=2), "edited", []),
        (
            ScrubResult(damage="7 bytes at 8 are damaged"),
            "damaged",
            ["/a is damaged: 7 bytes at 8 are damaged"],
        ),
    ],
)
def test_the_result_is_counted_and_damage_is_logged(
    marker: Path,
    scrub_result: ScrubResult,
    result: str,
    messages: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()
    ScrubSchedule(marker, DAY, metrics).record(marker.parent / "a", scrub_result)
    count = metrics.registry.get_sample_value("nodelog_archive_scrubs_total", {"result": result})
    assert count == 1
    expected = [f"{marker.parent}{text}; it is rebuilt" for text in messages]
    assert caplog.messages == expected
    assert time.time() - marker.stat().st_mtime < DAY
    assert os.stat(marker).st_mode & 0o777 == 0o600
