import pytest

from nodelogd.collector.pipeline.writer_commands import Mode, SyncPolicy


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [
        (SyncPolicy(), 4.0),
        (SyncPolicy(mode=Mode.INTERVAL, interval=0.5), 0.5),
        (SyncPolicy(mode=Mode.OFF), None),
    ],
)
def test_lines_nobody_waits_for_are_synced_as_the_policy_says(
    policy: SyncPolicy, seconds: float | None
) -> None:
    assert policy.background == seconds
