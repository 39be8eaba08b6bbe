import pytest

from nodeagent.metrics import Metrics
from nodeagent.problems import Problems


def test_a_problem_is_logged_when_it_appears_and_when_it_is_resolved(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    problems = Problems(Metrics())
    assert not problems.report("disk", "full in 5 h")
    assert not problems.report("disk", "full in 4 h")
    assert problems.reasons() == {"disk": "full in 4 h"}
    assert problems.report("disk", "")
    assert problems.report("disk", "")
    assert [record.getMessage() for record in caplog.records] == ["full in 5 h", "disk: all is well again"]


def test_the_metric_shows_readiness() -> None:
    metrics = Metrics()
    problems = Problems(metrics)

    def ready() -> float | None:
        return metrics.registry.get_sample_value("nodelog_agent_ready")

    assert ready() == 1
    problems.hold_readiness("first check", "not yet")
    assert ready() == 0
    problems.report("canary", "no answer")
    problems.release_readiness("first check")
    assert ready() == 0
    problems.report("canary", "")
    assert ready() == 1
    assert problems.reasons() == {}
