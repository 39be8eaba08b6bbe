from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from nodelogd.collector.store import log_lock
from nodelogd.collector.store.log_lock import LockedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

HOLDER = f"process {os.getpid()} on {socket.gethostname()}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".node_log.lock"


@asynccontextmanager
async def holding(
    path: Path, patience: float, stop: asyncio.Event, on_wait: Callable[[str], None]
) -> AsyncGenerator[None]:
    """Hold the lock for a while; a daemon holds it until its process ends."""
    fd = await log_lock.acquire_lock(path, patience, stop, on_wait)
    try:
        yield
    finally:
        os.close(fd)


def fail_on_wait(text: str) -> None:
    pytest.fail(f"waited: {text}")


async def test_a_free_lock_is_acquired_immediately_and_names_its_holder(path: Path) -> None:
    async with holding(path, 0, asyncio.Event(), fail_on_wait):
        assert path.read_text() == f"{HOLDER}\n"
    async with holding(path, 0, asyncio.Event(), fail_on_wait):
        pass


async def test_the_name_of_an_earlier_holder_is_replaced(path: Path) -> None:
    path.write_text("a very long name of an earlier holder" * 10)
    async with holding(path, 0, asyncio.Event(), fail_on_wait):
        assert path.read_text() == f"{HOLDER}\n"


async def test_a_holder_that_does_not_release_the_lock_is_named(path: Path) -> None:
    messages: list[str] = []
    async with holding(path, 0, asyncio.Event(), fail_on_wait):
        with pytest.raises(LockedError, match=f"is held by {HOLDER}; end it, or choose another --log"):
            await _enter(holding(path, 0.2, asyncio.Event(), messages.append))
    assert messages == [f"{path} is held by {HOLDER}; waiting 0.2 s for it to end"]


async def test_the_lock_is_acquired_when_its_holder_releases_it(path: Path) -> None:
    has_waited = asyncio.Event()
    async with AsyncExitStack() as first:
        await first.enter_async_context(holding(path, 0, asyncio.Event(), fail_on_wait))
        second = asyncio.create_task(_enter(holding(path, 60, asyncio.Event(), lambda _: has_waited.set())))
        await has_waited.wait()
        assert not second.done()
    await second


async def test_a_stop_ends_the_wait_for_the_holder(path: Path) -> None:
    stop = asyncio.Event()
    async with holding(path, 0, asyncio.Event(), fail_on_wait):
        with pytest.raises(LockedError):
            await _enter(holding(path, 60, stop, lambda _: stop.set()))


async def test_a_holder_that_could_not_write_its_name_is_an_unknown_process(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", fails)  # the lock itself needs no space
    async with holding(path, 0, asyncio.Event(), fail_on_wait):
        with pytest.raises(LockedError, match="is held by an unknown process"):
            await _enter(holding(path, 0, asyncio.Event(), lambda _: None))


async def test_a_full_disk_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))] * 2
    _fail_to_open(monkeypatch, failures)
    monkeypatch.setattr(log_lock, "RETRY_INTERVAL", 0.01)
    messages: list[str] = []
    async with holding(path, 0, asyncio.Event(), messages.append):
        assert failures == []
    assert messages == [f"cannot open {path}: No space left on device; retrying every 0 s"]


async def test_a_stop_ends_the_wait_for_a_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_to_open(monkeypatch, [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))] * 9)
    stop = asyncio.Event()
    with pytest.raises(OSError, match="No space left on device"):
        await _enter(holding(path, 60, stop, lambda _: stop.set()))


async def test_an_error_that_only_an_operator_can_fix_is_raised_immediately(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await _enter(holding(path / "nowhere", 60, asyncio.Event(), fail_on_wait))


async def _enter(context: object) -> None:
    async with context:  # type: ignore[attr-defined]
        pass


def _fail_to_open(monkeypatch: pytest.MonkeyPatch, failures: list[OSError]) -> None:
    real = os.open

    def opening(*arguments: object) -> int:
        if failures:
            raise failures.pop()
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", opening)
