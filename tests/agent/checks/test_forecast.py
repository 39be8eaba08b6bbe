import math

import pytest

from nodeagent.checks import forecast
from nodeagent.checks.forecast import Sample, Trend, growth, time_to_full


def test_steady_growth_is_found() -> None:
    assert growth([Sample(t, 1000 + 50 * t) for t in range(0, 100, 10)], 60) == pytest.approx(50)


def test_a_rotation_does_not_hide_the_trend() -> None:
    # Ten bytes a second; each hundred seconds the oldest file goes, which is a little smaller.
    samples = [Sample(t, 10 * t - 900 * (t // 100)) for t in range(0, 1000, 10)]
    assert growth(samples, 60) == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("times", [[], [0], [0, 100], [0, 1, 2]])
def test_too_little_was_seen_to_speak_of_growth(times: list[int]) -> None:
    assert growth([Sample(t, 1000 * t) for t in times], 60) == 0


@pytest.mark.parametrize(
    ("free", "growing", "seconds"), [(100, 10, 10), (0, 10, 0), (100, 0, math.inf), (9, -1, math.inf)]
)
def test_time_to_full_is_what_is_free_by_growth(free: int, growing: float, seconds: float) -> None:
    assert time_to_full(free, growing) == seconds


def test_a_trend_forgets_what_is_older_than_its_window_and_takes_no_more_samples_than_it_needs() -> None:
    found = Trend(120)
    for tenth in range(10_000):
        found.add(Sample(tenth / 10, min(tenth, 5000)))
    assert found.growth == pytest.approx(0)
    assert len(found._samples) <= forecast.SAMPLES + 1
