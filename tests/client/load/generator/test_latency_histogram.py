import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from nodelog.load.generator.latency_histogram import Latency


def of(*microseconds: int) -> Latency:
    latency = Latency()
    for value in microseconds:
        latency.add(value * 1000)
    return latency


def test_nothing_has_no_figures() -> None:
    assert Latency().figures() == {}


def test_percentiles_are_those_of_all_that_was_added() -> None:
    figures = of(*range(1, 1001)).figures()
    assert (figures["p50"], figures["p90"], figures["p99"], figures["max"]) == (500, 900, 990, 1000)
    assert abs(figures["mean"] - 500) <= 1


@settings(max_examples=25)  # a histogram is a large thing to make
@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=50))
def test_a_figure_is_right_to_a_thousandth(values: list[int]) -> None:
    figures = of(*values).figures()
    assert abs(figures["max"] - max(values)) <= max(values) / 1000
    half = sorted(values)[(len(values) - 1) // 2]
    assert abs(figures["p50"] - half) <= half / 1000


def test_histograms_of_several_processes_are_one() -> None:
    together = Latency()
    for one in (of(*range(1, 501)), of(*range(501, 1001))):
        together.merge(one.encode())
    assert together.figures() == of(*range(1, 1001)).figures()


def test_what_is_too_short_or_too_long_counts_at_the_bounds() -> None:
    figures = of(0, 10**12).figures()
    assert (figures["p50"], figures["max"] // 10**7) == (1, 360)


def test_many_different_times_are_all_counted() -> None:
    latency = Latency()
    for microseconds in range(1, 100_001):
        latency.add(microseconds * 1000)
        latency.settle()
    figures = latency.figures()
    assert abs(figures["p50"] - 50_000) <= 50
    assert abs(figures["max"] - 100_000) <= 100


def test_the_curve_rises_to_the_longest() -> None:
    curve = of(*range(1, 1001)).curve()
    assert all(low <= high for low, high in itertools.pairwise(curve))
    assert curve[-1] == (100.0, 1000)
