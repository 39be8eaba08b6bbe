import math
from collections.abc import Callable

import pytest

from nodeagent.checks import forecast
from nodeagent.checks.forecast import Sample, UsageTrend, growth_rate, time_to_full, without_largest_burst


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


def growths(usage: Callable[[int], int], seconds: int = 7200) -> list[float]:
    """Return the growth that a trend of an hour shows after each sample, one every 15 seconds."""
    trend, found = UsageTrend(3600), []
    for time in range(0, seconds, 15):
        trend.add(Sample(time, usage(time)))
        found.append(trend.growth)
    return found


@pytest.mark.parametrize("at", [20, 180, 400, 1800, 3000])
@pytest.mark.parametrize("duration", [1, 40, 140])
def test_what_is_written_once_is_no_growth(at: int, duration: int) -> None:
    written = growths(lambda time: 10**9 * min(max(time - at, 0), duration) // duration)
    assert max(written) == pytest.approx(0, abs=1e-3)


def test_steady_growth_is_found_once_a_12th_of_the_window_is_known() -> None:
    found = growths(lambda time: 1000 * time)
    assert found[19] == 0
    assert found[20:] == pytest.approx([1000.0] * len(found[20:]), rel=1e-6)


def test_growth_that_begins_late_is_found_while_it_lasts() -> None:
    found = growths(lambda time: 1000 * max(0, time - 4000))
    assert found[4000 // 15 + 40] > 20  # after ten minutes
    assert found[4000 // 15 + 80] > 150
    assert found[-1] > 900


def test_repeated_bursts_are_growth() -> None:
    assert growths(lambda time: 600_000 * (time // 600))[-1] == pytest.approx(1000, rel=0.25)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_samples_have_no_burst_to_leave_out_or_lose_it(count: int) -> None:
    samples = [Sample(time, 0) for time in range(count)]
    assert without_largest_burst(samples, 10) == samples
    rising = without_largest_burst([Sample(time, time) for time in range(count)], 10)
    assert rising == [Sample(0, 0)][:count]
