import logging

import pytest

from nodelogd.service.rate_limited_log import MAX_KEYS, RateLimitedLog

LOG = logging.getLogger("nodelogd.test")


class Clock:
    """A clock that the test advances."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_a_repeated_message_is_logged_once_and_then_with_the_number_suppressed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    log = RateLimitedLog(LOG, 60, clock=clock)
    for _ in range(58):
        log.log(logging.WARNING, "split", "split a line of %s", "10.0.0.1", extra={"peer": 1})
    clock.now = 60
    log.log(logging.WARNING, "split", "split a line of %s", "10.0.0.2")
    assert caplog.messages == [
        "split a line of 10.0.0.1",
        "split a line of 10.0.0.2 (repeated 57 times)",
    ]


def test_other_keys_are_not_suppressed() -> None:
    log = RateLimitedLog(LOG, 60, clock=Clock())
    assert [log.admit(key) for key in ("a", "b", "a", "c")] == [0, 0, None, 0]


def test_the_number_suppressed_counts_from_the_last_one_logged() -> None:
    clock = Clock()
    log = RateLimitedLog(LOG, 1, clock=clock)
    passed = []
    for moment in (0.0, 0.5, 1.0, 1.5, 1.9, 2.0):
        clock.now = moment
        passed.append(log.admit("a"))
    assert passed == [0, None, 1, None, None, 2]


def test_the_number_of_remembered_keys_is_bounded() -> None:
    log = RateLimitedLog(LOG, 60, clock=Clock())
    for number in range(MAX_KEYS * 3):
        log.admit(str(number))
    assert len(log._keys) == MAX_KEYS
    assert log.admit(str(MAX_KEYS * 3 - 1)) is None
