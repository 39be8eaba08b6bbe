from __future__ import annotations

import pytest

from nodelogd.collector.cli_types import SyncPolicyType


@pytest.mark.parametrize("text", ["batch", "off", "interval=1s", "interval=0.5s"])
def test_a_sync_policy_is_shown_as_it_is_written(text: str) -> None:
    assert SyncPolicyType().to_text(SyncPolicyType().parse(text)) == text
