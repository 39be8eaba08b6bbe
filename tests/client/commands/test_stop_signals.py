import signal

import pytest

from nodelog.commands.stop_signals import ShutdownDeadline, handle_stop_signals


def test_a_signal_is_seen_and_what_was_there_before_is_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with handle_stop_signals() as stop:
        assert not stop.wait(0)
        signal.raise_signal(signal.SIGTERM)
        assert stop.wait(60)
        assert stop.count == 1
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("timeout", "signals", "is_over"), [(None, 1, False), (None, 2, True), (0, 1, True)])
def test_patience_ends_with_its_time_or_with_the_second_signal(
    timeout: float | None, signals: int, is_over: bool
) -> None:
    with handle_stop_signals() as stop:
        patience = ShutdownDeadline(stop, timeout)
        assert not patience.has_passed
        for _ in range(signals):
            signal.raise_signal(signal.SIGTERM)
        assert patience.has_passed is is_over


def test_patience_waits_until_nothing_remains() -> None:
    with handle_stop_signals() as stop:
        patience = ShutdownDeadline(stop, None)
        patience.start()
        remaining = iter([3, 2, 0])
        assert patience.wait(lambda _: next(remaining)) == 0
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert patience.wait(lambda _: 5) == 5
