import pytest
from prometheus_client import generate_latest

from nodeagent.checks.byte_accounting import INFLOW_METRICS, OUTFLOW_METRICS, ByteCounts, missing_bytes
from nodeagent.checks.daemon_status import sum_metrics
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
    ids=["equal", "missing", "surplus", "settled", "both ways", "hidden by the flow", "above the flow"],
)
def test_only_what_the_flow_does_not_explain_is_missing(
    first: tuple[float, float], second: tuple[float, float], expected: float | None
) -> None:
    assert missing_bytes(ByteCounts(*first), ByteCounts(*second)) == expected


def test_without_one_of_the_metrics_there_are_no_counts() -> None:
    sums = dict.fromkeys([*INFLOW_METRICS, *OUTFLOW_METRICS], 1.0)
    assert ByteCounts.from_metrics(sums) == ByteCounts(2.0, 4.0)
    del sums[OUTFLOW_METRICS[0]]
    assert ByteCounts.from_metrics(sums) is None


def test_a_fresh_collector_shows_all_of_the_metrics() -> None:
    sums = sum_metrics(generate_latest(Metrics().registry).decode())
    assert ByteCounts.from_metrics(sums) == ByteCounts(0.0, 0.0)
