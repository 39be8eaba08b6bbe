"""`--once`: one cycle and an exit code that a CronJob understands; no port, no loop."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Final

from nodelogd.compressor.compressor import Compressor, Result
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


def once(settings: Settings) -> int:
    """Make one cycle; give the exit code: 3 if some files could not be read and the rest is archived."""
    asked: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, signal.SIG_DFL)  # who asks twice has waited long enough

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    try:
        cycle = Compressor(settings, Metrics()).cycle(lambda: bool(asked), lambda _: False)
    except BusyError as error:
        log.info("%s, which makes the archive; nothing to do", error)
        return DONE
    match cycle.result:
        case Result.FAILED:
            return FAILED
        case Result.STOPPED:
            log.warning("stopped by a signal; the last archive stands")
            return 128 + asked[0]
        case _:
            return UNREADABLE if cycle.unreadable else DONE
