"""What a shipper does when its program forks, and where the lines of the child wait."""

from __future__ import annotations

import os
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

from nodelog.spool.blocks import SpoolError
from nodelog.spool.memory_spool import MemorySpool
from nodelog.spool.process_files import open_spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.shipping.settings import Settings
    from nodelog.spool.spool import Spool


def call_at_forks(before: Callable[[], None], after_in_child: Callable[[], None]) -> None:
    """Call these methods at each fork, as long as their object exists."""
    weak_before, weak_after = weakref.WeakMethod(before), weakref.WeakMethod(after_in_child)
    os.register_at_fork(
        before=lambda: (method := weak_before()) and method(),
        after_in_child=lambda: (method := weak_after()) and method(),
    )


def open_late(settings: Settings, *, is_child: bool) -> tuple[Settings, Spool]:
    """Open the spool with the first line, when no error may be raised any more: else lines wait in memory."""
    path = settings.spool
    if path is None:
        return settings, MemorySpool()
    try:
        return settings, open_spool(path, is_child_spool=is_child)
    except SpoolError as error:
        settings.tell(f"{error}; {'in this forked process ' if is_child else ''}lines wait in memory")
        return replace(settings, spool=None), MemorySpool()
