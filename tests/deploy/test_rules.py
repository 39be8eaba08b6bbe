from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.deploy.rules import ALERTS, ALERTS_TEST, DEPLOY, metric_names, speed_up

from nodeagent.metrics import Metrics as AgentMetrics
from nodelogd.collector.metrics import Metrics as CollectorMetrics
from nodelogd.compressor.metrics import Metrics as CompressorMetrics

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.prometheus import Prometheus

RULES = ALERTS.read_text()
DASHBOARD = DEPLOY / "grafana" / "nodelog.json"
MONITORING = (DEPLOY.parent / "docs" / "monitoring.md").read_text()
ALERT_NAMES = re.findall(r"- alert: (\w+)", RULES)
TYPES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def exported_series() -> set[str]:
    """Return the names of all series that the programs export."""
    registries = [metrics().registry for metrics in (CollectorMetrics, CompressorMetrics, AgentMetrics)]
    return {
        f"{metric.name}{end}"
        for registry in registries
        for metric in registry.collect()
        for end in TYPES[metric.type]
    }


def promtool(*arguments: str | Path) -> str:
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool, from prometheus")
    run = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_the_example_configuration_is_valid(tmp_path: Path) -> None:
    # Debian builds Prometheus without the discovery of pods.
    text = (DEPLOY / "prometheus" / "prometheus.yaml").read_text()
    example = text.replace("kubernetes_sd_configs: [{role: pod}]", "static_configs: [{targets: [a]}]")
    assert example != text
    (tmp_path / "prometheus.yaml").write_text(example)
    (tmp_path / "alerts.yaml").write_text(RULES)
    assert "SUCCESS" in promtool("check", "config", tmp_path / "prometheus.yaml")


def test_the_rules_are_valid() -> None:
    assert f"{len(ALERT_NAMES)} rules found" in promtool("check", "rules", ALERTS)


def test_each_alert_fires_for_its_cause_and_none_in_a_quiet_hour() -> None:
    assert "SUCCESS" in promtool("test", "rules", ALERTS_TEST)
    assert all(f'alertname="{name}"' in ALERTS_TEST.read_text() for name in ALERT_NAMES)


@pytest.mark.parametrize(
    ("correct", "wrong"),
    [
        ('daemon_ready{daemon="logd"}', "daemon_ready"),
        ('result="failed"}[5m]) > 0', 'result="failed"}[5m]) >= 0'),
        ("for: 5m  #", "for: 2m  #"),
        ("< 6 * 3600", "< 3600"),
        ("> 3 * nodelog", "> 30 * nodelog"),
        ('result="damaged"', 'result="clean"'),
        ("difference_bytes != 0", "difference_bytes > 0"),
        ("or increase(nodelog_agent_daemon_restarts_total[15m])", ""),
        ("or absent(nodelog_agent_ready)", "or absent(nodelog_agent_daemon_ready)"),
        ("(nodelog_held_bytes or max_over_time(nodelog_agent_ready[1h]))", "(nodelog_held_bytes)"),
        ("(nodelog_held_bytes or max_over_time", "(max_over_time"),
        ("for: 10m  #", "for: 1m  #"),
        ("nodelog_held_bytes > 0", "nodelog_held_byte > 0"),
    ],
)
def test_a_wrong_rule_fails_that_test(correct: str, wrong: str, tmp_path: Path) -> None:
    assert correct in RULES
    (tmp_path / "alerts.yaml").write_text(RULES.replace(correct, wrong, 1))
    (tmp_path / ALERTS_TEST.name).write_text(ALERTS_TEST.read_text())
    with pytest.raises(AssertionError, match="FAILED"):
        promtool("test", "rules", tmp_path / ALERTS_TEST.name)


@pytest.mark.parametrize("path", [ALERTS, ALERTS_TEST, DASHBOARD], ids=lambda path: path.name)
def test_every_series_named_is_exported_by_a_program(path: Path) -> None:
    named = metric_names(path.read_text())
    assert named
    assert named <= exported_series()


def test_a_wrong_series_name_is_found() -> None:
    assert not metric_names(RULES.replace("nodelog_held_bytes", "nodelog_held_byte")) <= exported_series()


def test_the_sped_up_rules_differ_only_in_their_times() -> None:
    def without_times(text: str) -> str:
        return re.sub(r"\[\w+\]|for: \w+", "", text)

    assert without_times(speed_up(RULES)) == without_times(RULES)
    assert not re.search(r"(\[|for: )\d+[smh]\b", speed_up(RULES))


@pytest.mark.parametrize("name", ALERT_NAMES)
def test_each_alert_links_its_chapter_in_the_documents(name: str, prometheus: Prometheus) -> None:
    (rule,) = [rule for rule in prometheus.rules() if rule["name"] == name]
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["runbook"] == f"docs/monitoring.md#{name.lower()}"
    assert rule["annotations"]["description"].endswith(rule["annotations"]["runbook"])
    assert f"### {name}\n" in MONITORING
