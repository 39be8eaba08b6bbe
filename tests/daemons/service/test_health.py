"""The heartbeat and the reasons for not being ready."""

from nodelogd.service.health import Health


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_startup_counts_as_a_stall_only_after_ten_seconds() -> None:
    clock = Clock()
    health = Health(clock=clock)
    clock.now += 10
    assert health.stall_reason() is None
    clock.now += 0.5
    assert health.stall_reason() == "the event loop has not turned for 10.5 s, at most 10 s allowed"


def test_a_heartbeat_ends_a_stall() -> None:
    clock = Clock()
    health = Health(clock=clock)
    clock.now += 60
    assert health.heartbeat_age() == 60
    health.beat()
    assert health.heartbeat_age() == 0
    assert health.stall_reason() is None


def test_reasons_are_set_and_cleared_by_name() -> None:
    health = Health()
    assert health.not_ready_reasons() == {}
    health.set_not_ready("disk", "full")
    health.set_not_ready("disk", "still full")
    health.set_not_ready("start", "recovering")
    assert health.not_ready_reasons() == {"disk": "still full", "start": "recovering"}
    health.clear_not_ready("disk")
    health.clear_not_ready("disk")
    health.clear_not_ready("never set")
    assert health.not_ready_reasons() == {"start": "recovering"}


def test_a_stalled_loop_is_a_reason_not_to_be_ready() -> None:
    clock = Clock()
    health = Health(stalled_after=2, clock=clock)
    clock.now += 3
    assert health.not_ready_reasons() == {
        "loop": "the event loop has not turned for 3.0 s, at most 2 s allowed"
    }


def test_the_returned_reasons_are_a_copy() -> None:
    health = Health()
    health.not_ready_reasons()["disk"] = "full"
    assert health.not_ready_reasons() == {}
