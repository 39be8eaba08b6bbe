from __future__ import annotations

from nodelogd.compressor.readiness import REASONS, Freshness


class Time:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def test_it_is_not_fresh_before_the_first_cycle_and_says_why() -> None:
    clock = Time()
    fresh = Freshness(60, clock=clock)
    clock.now += 5
    assert fresh.reasons() == {"start": "the first cycle has been going on for 5 s"}
    fresh.failed("cannot write")
    assert fresh.reasons() == {"start": "cannot write"}
    fresh.succeeded()
    assert fresh.reasons() == {}


def test_it_is_fresh_for_three_intervals() -> None:
    clock = Time()
    fresh = Freshness(60, clock=clock)
    fresh.succeeded()
    clock.now += 180
    fresh.failed("cannot write")
    assert fresh.reasons() == {}
    clock.now += 1
    text = "no cycle has succeeded for 181 s, at most 180 s allowed: cannot write"
    assert fresh.reasons() == {"cycle": text}
    fresh.succeeded()
    clock.now += 181
    assert fresh.reasons()["cycle"].endswith("one is going on")


def test_all_reasons_are_known() -> None:
    clock = Time()
    fresh = Freshness(1, clock=clock)
    found = set(fresh.reasons())
    fresh.succeeded()
    clock.now += 10
    assert found | set(fresh.reasons()) == set(REASONS)
