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
async def locked(
    path: Path, patience: float, stop: asyncio.Event, on_wait: Callable[[str], None]
) -> AsyncGenerator[None]:
    """Hold the lock for a while, which a daemon does as long as it lives."""
    held = await log_lock.acquire_lock(path, patience, stop, on_wait)
    try:
        yield
    finally:
        os.close(held)


def nobody(text: str) -> None:
    pytest.fail(f"waited: {text}")


async def test_a_free_lock_is_acquired_immediately_and_names_its_holder(path: Path) -> None:
    async with locked(path, 0, asyncio.Event(), nobody):
        assert path.read_text() == f"{HOLDER}\n"
    async with locked(path, 0, asyncio.Event(), nobody):
        pass


async def test_the_name_of_an_earlier_holder_is_replaced(path: Path) -> None:
    path.write_text("a very long name of an earlier holder" * 10)
    async with locked(path, 0, asyncio.Event(), nobody):
        assert path.read_text() == f"{HOLDER}\n"


async def test_a_holder_that_does_not_release_the_lock_is_named(path: Path) -> None:
    said: list[str] = []
    async with locked(path, 0, asyncio.Event(), nobody):
        with pytest.raises(LockedError, match=f"is held by {HOLDER}; end it, or choose another --log"):
            await _enter(locked(path, 0.2, asyncio.Event(), said.append))
    assert said == [f"{path} is held by {HOLDER}; waiting 0.2 s for it to end"]


async def test_the_lock_is_acquired_when_its_holder_releases_it(path: Path) -> None:
    said = asyncio.Event()
    async with AsyncExitStack() as first:
        await first.enter_async_context(locked(path, 0, asyncio.Event(), nobody))
        second = asyncio.create_task(_enter(locked(path, 60, asyncio.Event(), lambda _: said.set())))
        await said.wait()
        assert not second.done()
    await second


async def test_a_stop_ends_the_wait_for_the_holder(path: Path) -> None:
    stop = asyncio.Event()
    async with locked(path, 0, asyncio.Event(), nobody):
        with pytest.raises(LockedError):
            await _enter(locked(path, 60, stop, lambda _: stop.set()))


async def test_a_holder_that_could_not_write_its_name_is_an_unknown_process(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", fails)  # the lock itself needs no space
    async with locked(path, 0, asyncio.Event(), nobody):
        with pytest.raises(LockedError, match="is held by an unknown process"):
            await _enter(locked(path, 0, asyncio.Event(), lambda _: None))


async def test_a_full_disk_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))] * 2
    _fail_to_open(monkeypatch, failures)
    monkeypatch.setattr(log_lock, "RETRY_INTERVAL", 0.01)
    said: list[str] = []
    async with locked(path, 0, asyncio.Event(), said.append):
        assert failures == []
    assert said == [f"cannot open {path}: No space left on device; retrying every 0 s"]


async def test_a_stop_ends_the_wait_for_a_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_to_open(monkeypatch, [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))] * 9)
    stop = asyncio.Event()
    with pytest.raises(OSError, match="No space left on device"):
        await _enter(locked(path, 60, stop, lambda _: stop.set()))


async def test_an_error_that_only_an_operator_can_fix_is_raised_immediately(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await _enter(locked(path / "nowhere", 60, asyncio.Event(), nobody))


async def _enter(holding: object) -> None:
    async with holding:  # type: ignore[attr-defined]
        pass


def _fail_to_open(monkeypatch: pytest.MonkeyPatch, failures: list[OSError]) -> None:
    real = os.open

    def opening(*arguments: object) -> int:
        if failures:
            raise failures.pop()
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", opening)
