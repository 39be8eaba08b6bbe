import pytest
from prometheus_client import generate_latest

from nodeagent.checks.byte_accounting import IN, OUT, Scrape, difference
from nodeagent.checks.daemon_status import sums
from nodelogd.collector.metrics import Metrics


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((100, 100), (200, 200), 0),
        ((100, 90), (100, 90), 10),
        ((100, 110), (100, 110), -10),
        ((100, 90), (200, 200), 0),
        ((100, 90), (300, 310), 0),
        ((100, 90), (300, 290), None),
        ((100, 90), (105, 96), 9),
    ],
    ids=["equal", "missing", "from nowhere", "settled", "both ways", "hidden by the flow", "above the flow"],
)
def test_only_what_the_flow_does_not_explain_is_a_difference(
    first: tuple[float, float], second: tuple[float, float], expected: float | None
) -> None:
    assert difference(Scrape(*first), Scrape(*second)) == expected


def test_a_scrape_without_the_metrics_is_none() -> None:
    sums = dict.fromkeys([*IN, *OUT], 1.0)
    assert Scrape.of(sums) == Scrape(2.0, 4.0)
    del sums[OUT[0]]
    assert Scrape.of(sums) is None


def test_a_collector_that_has_dropped_and_added_nothing_yet_has_a_ledger_too() -> None:
    assert Scrape.of(sums(generate_latest(Metrics().registry).decode())) == Scrape(0.0, 0.0)
