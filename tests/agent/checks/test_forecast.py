import math

import pytest

from nodeagent.checks import forecast
from nodeagent.checks.forecast import Sample, UsageTrend, growth_rate, time_to_full


def test_steady_growth_is_found() -> None:
    assert growth_rate([Sample(t, 1000 + 50 * t) for t in range(0, 100, 10)], 60) == pytest.approx(50)


def test_a_rotation_does_not_hide_the_trend() -> None:
    # Grows by 10 bytes a second; every 100 seconds the oldest file, which is a little smaller, is removed.
    samples = [Sample(t, 10 * t - 900 * (t // 100)) for t in range(0, 1000, 10)]
    assert growth_rate(samples, 60) == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("times", [[], [0], [0, 100], [0, 1, 2]])
def test_too_few_samples_show_no_growth(times: list[int]) -> None:
    assert growth_rate([Sample(t, 1000 * t) for t in times], 60) == 0


@pytest.mark.parametrize(
    ("free", "growth", "seconds"), [(100, 10, 10), (0, 10, 0), (100, 0, math.inf), (9, -1, math.inf)]
)
def test_time_to_full_is_free_space_divided_by_growth(free: int, growth: float, seconds: float) -> None:
    assert time_to_full(free, growth) == seconds


def test_a_trend_drops_samples_older_than_its_window_and_keeps_no_more_than_it_needs() -> None:
    trend = UsageTrend(120)
    for tenth in range(10_000):
        trend.add(Sample(tenth / 10, min(tenth, 5000)))
    assert trend.growth == pytest.approx(0)
    assert len(trend._samples) <= forecast.MAX_SAMPLES + 1
