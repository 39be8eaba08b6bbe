"""The signals of a daemon: SIGTERM and SIGINT set one event, SIGHUP calls back."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

LOG: Final = logging.getLogger(__name__)
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def handling_signals(on_hangup: Callable[[], None]) -> Generator[asyncio.Event]:
    """Yield the event that SIGTERM and SIGINT set; call `on_hangup` in the loop on SIGHUP.

    A second SIGTERM or SIGINT exits at once with code 128 + its number, even while the loop is stalled: an
    operator who asks twice has waited long enough. Only for the main thread, while the loop runs. At the end
    of the block the previous handlers are restored.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    received: list[int] = []

    def on_stop_signal(number: int, _: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            name = signal.Signals(number).name
            LOG.warning("%s while ending: exiting at once, what is not written yet is lost", name)
            os._exit(128 + number)

    previous = {number: signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGHUP)}
    loop.add_signal_handler(signal.SIGHUP, on_hangup)
    for number in STOP_SIGNALS:
        # The loop's own handler does nothing: the signal wakes the loop through its wakeup descriptor, which
        # still works with our handler in its place. Ours runs at the next byte code, whatever the loop is
        # busy with.
        loop.add_signal_handler(number, stop.set)
        signal.signal(number, on_stop_signal)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
