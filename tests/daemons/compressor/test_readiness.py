from __future__ import annotations

from nodelogd.compressor.readiness import REASONS, Readiness


class FakeClock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_logcd_is_not_ready_before_the_first_cycle_and_says_why() -> None:
    clock = FakeClock()
    readiness = Readiness(60, clock=clock)
    clock.now += 5
    assert readiness.not_ready_reasons() == {"start": "the first cycle has been running for 5 s"}
    readiness.record_failure("cannot write")
    assert readiness.not_ready_reasons() == {"start": "cannot write"}
    readiness.record_success()
    assert readiness.not_ready_reasons() == {}


def test_logcd_stays_ready_for_three_intervals() -> None:
    clock = FakeClock()
    readiness = Readiness(60, clock=clock)
    readiness.record_success()
    clock.now += 180
    readiness.record_failure("cannot write")
    assert readiness.not_ready_reasons() == {}
    clock.now += 1
    text = "no cycle has succeeded for 181 s, at most 180 s allowed: cannot write"
    assert readiness.not_ready_reasons() == {"cycle": text}
    readiness.record_success()
    clock.now += 181
    assert readiness.not_ready_reasons()["cycle"].endswith("a cycle is running")


def test_every_reason_is_listed() -> None:
    clock = FakeClock()
    readiness = Readiness(1, clock=clock)
    reasons = set(readiness.not_ready_reasons())
    readiness.record_success()
    clock.now += 10
    assert reasons | set(readiness.not_ready_reasons()) == set(REASONS)
