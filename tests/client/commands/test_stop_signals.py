import signal

import pytest

from nodelog.commands.stop_signals import ShutdownDeadline, handle_stop_signals


def test_a_signal_is_counted_and_the_previous_handler_is_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with handle_stop_signals() as stop:
        assert not stop.wait(0)
        signal.raise_signal(signal.SIGTERM)
        assert stop.wait(60)
        assert stop.count == 1
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("timeout", "signals", "has_passed"), [(None, 1, False), (None, 2, True), (0, 1, True)]
)
def test_the_deadline_passes_with_the_timeout_or_the_second_signal(
    timeout: float | None, signals: int, has_passed: bool
) -> None:
    with handle_stop_signals() as stop:
        deadline = ShutdownDeadline(stop, timeout)
        assert not deadline.has_passed
        for _ in range(signals):
            signal.raise_signal(signal.SIGTERM)
        assert deadline.has_passed is has_passed


def test_a_wait_ends_when_nothing_remains_or_at_the_second_signal() -> None:
    with handle_stop_signals() as stop:
        deadline = ShutdownDeadline(stop, None)
        deadline.start()
        remaining = iter([3, 2, 0])
        assert deadline.wait(lambda _: next(remaining)) == 0
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert deadline.wait(lambda _: 5) == 5
