from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import Counter

from nodelogd.collector import metrics
from nodelogd.collector.metrics import Metrics

FOLDER = Path(metrics.__file__).parent


@pytest.mark.parametrize("name", ["nodelog_dropped_bytes", "nodelog_added_bytes", "nodelog_write_failures"])
def test_labelled_counters_exist_at_zero_before_the_first_event(name: str) -> None:
    (found,) = [family for family in Metrics().registry.collect() if family.name == name]
    values = [sample.value for sample in found.samples if sample.name == f"{name}_total"]
    assert values
    assert set(values) == {0}


def test_every_reason_for_closing_a_connection_is_known() -> None:
    text = "".join(path.read_text() for path in FOLDER.rglob("*.py"))
    used = set(
        re.findall(r'(?:\.close|\.close_detached|\.drop_unfinished)\((?:connection, )?"([a-z ]+)"\)', text)
    )
    closed = Metrics().closed
    assert isinstance(closed, Counter)
    assert used
    assert used <= {sample.labels["reason"] for sample in next(iter(closed.collect())).samples}
