import pytest

from nodeagent.checks.problems import Findings
from nodeagent.metrics import Metrics


def test_a_trouble_is_logged_when_it_comes_and_when_it_goes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    findings = Findings(Metrics())
    assert not findings.tell("disk", "full in 5 h")
    assert not findings.tell("disk", "full in 4 h")
    assert findings.reasons() == {"disk": "full in 4 h"}
    assert findings.tell("disk", "")
    assert findings.tell("disk", "")
    assert [record.getMessage() for record in caplog.records] == ["full in 5 h", "disk: all is well again"]


def test_readiness_is_counted() -> None:
    metrics = Metrics()
    findings = Findings(metrics)

    def ready() -> float | None:
        return metrics.registry.get_sample_value("nodelog_agent_ready")

    assert ready() == 1
    findings.wait_for("first look", "not yet")
    assert ready() == 0
    findings.tell("canary", "no answer")
    findings.came("first look")
    assert ready() == 0
    findings.tell("canary", "")
    assert ready() == 1
    assert findings.reasons() == {}
