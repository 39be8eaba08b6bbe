from __future__ import annotations

import pytest

from nodelogd.collector.cli_types import SyncPolicyType


@pytest.mark.parametrize("text", ["batch", "off", "interval=1s", "interval=0.5s"])
def test_a_sync_policy_is_shown_as_it_is_written(text: str) -> None:
    assert SyncPolicyType().to_text(SyncPolicyType().parse(text)) == text


@pytest.mark.parametrize("text", ["interval=9ms", "interval=2h"])
def test_an_interval_out_of_range_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        SyncPolicyType().parse(text)
