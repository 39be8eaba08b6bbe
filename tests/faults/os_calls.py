"""Faults at one seam: every system call with which a daemon changes a file goes through the module `os`."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

CALLS = (
    "close", "copy_file_range", "fchmod", "fdatasync", "fsync", "ftruncate", "link", "open",
    "posix_fallocate", "pwrite", "pwritev", "rename", "replace", "unlink", "utime", "write",
)  # fmt: skip


@contextmanager
def intercept_os_calls(
    before: Callable[[str, tuple[Any, ...]], None], calls: Iterable[str] = CALLS
) -> Generator[None]:
    """Call `before` with the name and arguments of each call; an exception from it fails the call."""
    real = {name: getattr(os, name) for name in calls}

    def patched(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 (whatever the call takes)
            before(name, arguments)
            return real[name](*arguments, **options)

        return call

    for name in real:
        setattr(os, name, patched(name))
    try:
        yield
    finally:
        for name, function in real.items():
            setattr(os, name, function)
