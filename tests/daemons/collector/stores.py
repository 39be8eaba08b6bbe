"""A store on a log, and calls of the disk that fail once."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from tests.faults.os_calls import intercept_os_calls

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.log_store import LogStore, StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


STREAM = b"stream number 1."


def opened(log: Path, *, rotate_size: int = 10**6, metrics: Metrics | None = None) -> LogStore:
    return LogStore(FileNames.resolve(log), StoreSettings(rotate_size=rotate_size), metrics or Metrics())


def put(store: LogStore, lines: bytes, block: int | None = None) -> int:
    return store.append(memoryview(lines), {STREAM: block} if block else {})


def sealed(log: Path) -> list[bytes]:
    return [each.path.read_bytes() for each in FileNames.resolve(log).sealed_files()]


def append(log: Path, foreign: bytes) -> None:
    with log.open("ab") as file:
        file.write(foreign)


def once(name: str, error: OSError, matching: Callable[[tuple[Any, ...]], bool] = lambda _: True) -> Any:  # noqa: ANN401
    """Let one call of that name fail."""
    left = [error]

    def before(called: str, arguments: tuple[Any, ...]) -> None:
        if called == name and matching(arguments) and left:
            raise left.pop()

    return intercept_os_calls(before)


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def broken() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO))
