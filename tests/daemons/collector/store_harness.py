"""Helpers for tests of the store: open it, append to it, and let system calls fail once."""

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


def open_store(log: Path, *, rotate_size: int = 10**6, metrics: Metrics | None = None) -> LogStore:
    return LogStore(FileNames.resolve(log), StoreSettings(rotate_size=rotate_size), metrics or Metrics())


def append_lines(store: LogStore, lines: bytes, block: int | None = None) -> int:
    return store.append(memoryview(lines), {STREAM: block} if block else {})


def read_sealed(log: Path) -> list[bytes]:
    return [file.path.read_bytes() for file in FileNames.resolve(log).sealed_files()]


def append_foreign(log: Path, foreign: bytes) -> None:
    with log.open("ab") as file:
        file.write(foreign)


def failing_once(
    name: str, error: OSError, matching: Callable[[tuple[Any, ...]], bool] = lambda _: True
) -> Any:  # noqa: ANN401
    """Let the next call of this name fail."""
    left = [error]

    def before(called: str, arguments: tuple[Any, ...]) -> None:
        if called == name and matching(arguments) and left:
            raise left.pop()

    return intercept_os_calls(before)


def failing(name: str, error: OSError) -> Any:  # noqa: ANN401
    """Let every call of this name fail."""

    def before(called: str, _: tuple[Any, ...]) -> None:
        if called == name:
            raise error

    return intercept_os_calls(before)


def disk_full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def io_error() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO))
