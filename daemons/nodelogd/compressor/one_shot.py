"""`--once`: run one cycle, with an exit code that a CronJob understands; no port, no event loop."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Final

from nodelogd.compressor.compressor import Compressor, CycleResult
from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.upkeep.cycle_lock import BusyError
from nodelogd.service.signals import STOP_SIGNALS

if TYPE_CHECKING:
    from types import FrameType

    from nodelogd.compressor.settings import Settings

log = logging.getLogger(__name__)

DONE: Final = 0
FAILED: Final = 1
UNREADABLE: Final = 3
NO_FILES: Final = 4


def run_once(settings: Settings) -> int:
    """Run one cycle; return the exit code.

    3 means that some files could not be read and the rest is archived, 4 that no file matches the patterns.
    """
    received: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    try:
        compressor = Compressor(settings, Metrics(), lines_wait=False)
        report = compressor.run_cycle(lambda: bool(received), lambda _: False)
    except BusyError as error:
        log.info("%s, which updates the archive; nothing to do", error)
        return DONE
    match report.result:
        case CycleResult.FAILED:
            return FAILED
        case CycleResult.STOPPED:
            log.warning("stopped by a signal; the last archive is unchanged")
            return 128 + received[0]
        case CycleResult.EMPTY:
            return NO_FILES
        case _:
            return UNREADABLE if report.unreadable else DONE
