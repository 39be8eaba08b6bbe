import logging

import pytest

from nodelogd.service.rate_limited_log import MAX_KEYS, RateLimitedLog

LOG = logging.getLogger("nodelogd.test")


class Clock:
    """Time that passes when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_the_same_message_passes_once_and_says_how_many_were_held_back(
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


def test_other_messages_are_not_held_back() -> None:
    log = RateLimitedLog(LOG, 60, clock=Clock())
    assert [log.admit(key) for key in ("a", "b", "a", "c")] == [0, 0, None, 0]


def test_what_passes_again_was_held_back_since_then_only() -> None:
    clock = Clock()
    log = RateLimitedLog(LOG, 1, clock=clock)
    passed = []
    for moment in (0.0, 0.5, 1.0, 1.5, 1.9, 2.0):
        clock.now = moment
        passed.append(log.admit("a"))
    assert passed == [0, None, 1, None, None, 2]


def test_many_keys_take_no_more_memory_than_agreed() -> None:
    log = RateLimitedLog(LOG, 60, clock=Clock())
    for number in range(MAX_KEYS * 3):
        log.admit(str(number))
    assert len(log._keys) == MAX_KEYS
    assert log.admit(str(MAX_KEYS * 3 - 1)) is None
