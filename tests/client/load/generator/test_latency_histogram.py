import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from nodelog.load.generator.latency_histogram import LatencyHistogram


def histogram_of(*microseconds: int) -> LatencyHistogram:
    latency = LatencyHistogram()
    for value in microseconds:
        latency.add(value * 1000)
    return latency


def test_an_empty_histogram_has_no_summary() -> None:
    assert LatencyHistogram().summary() == {}


def test_percentiles_cover_all_added_values() -> None:
    summary = histogram_of(*range(1, 1001)).summary()
    assert (summary["p50"], summary["p90"], summary["p99"], summary["max"]) == (500, 900, 990, 1000)
    assert abs(summary["mean"] - 500) <= 1


@settings(max_examples=25)  # a histogram takes a while to create
@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=50))
def test_figures_are_accurate_to_a_thousandth(values: list[int]) -> None:
    summary = histogram_of(*values).summary()
    assert abs(summary["max"] - max(values)) <= max(values) / 1000
    half = sorted(values)[(len(values) - 1) // 2]
    assert abs(summary["p50"] - half) <= half / 1000


def test_histograms_of_several_processes_are_merged() -> None:
    together = LatencyHistogram()
    for one in (histogram_of(*range(1, 501)), histogram_of(*range(501, 1001))):
        together.merge(one.encode())
    assert together.summary() == histogram_of(*range(1, 1001)).summary()


def test_values_out_of_range_count_at_the_bounds() -> None:
    summary = histogram_of(0, 10**12).summary()
    assert (summary["p50"], summary["max"] // 10**7) == (1, 360)


def test_many_different_values_are_all_counted() -> None:
    latency = LatencyHistogram()
    for microseconds in range(1, 100_001):
        latency.add(microseconds * 1000)
        latency.collect()
    summary = latency.summary()
    assert abs(summary["p50"] - 50_000) <= 50
    assert abs(summary["max"] - 100_000) <= 100


def test_the_curve_rises_to_the_maximum() -> None:
    curve = histogram_of(*range(1, 1001)).percentile_curve()
    assert all(low <= high for low, high in itertools.pairwise(curve))
    assert curve[-1] == (100.0, 1000)
