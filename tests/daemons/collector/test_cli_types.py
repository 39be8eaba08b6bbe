from __future__ import annotations

import pytest

from nodelogd.collector.cli_types import ModeType, SyncPolicyType


@pytest.mark.parametrize("text", ["batch", "off", "interval=1s", "interval=0.5s"])
def test_a_sync_policy_is_shown_as_it_is_written(text: str) -> None:
    assert SyncPolicyType().to_text(SyncPolicyType().parse(text)) == text


@pytest.mark.parametrize("text", ["interval=9ms", "interval=2h"])
def test_an_interval_out_of_range_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        SyncPolicyType().parse(text)


@pytest.mark.parametrize(("text", "mode"), [("644", 0o644), ("0644", 0o644), ("0600", 0o600), ("777", 0o777)])
def test_a_mode_is_octal(text: str, mode: int) -> None:
    assert ModeType().parse(text) == mode
    assert ModeType().parse(ModeType().to_text(mode)) == mode


@pytest.mark.parametrize("text", ["", "8", "888", "u=rw", "0o644", "1644", "00644", "-644"])
def test_what_is_no_octal_mode_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a file mode"):
        ModeType().parse(text)


@pytest.mark.parametrize("text", ["0", "044", "0444", "0244"])
def test_a_mode_that_locks_out_its_owner_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="mode"):
        ModeType().parse(text)
