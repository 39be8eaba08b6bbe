"""A program that is kept alive: started, started again with a pause when it ended, and ended in order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodeagent.supervision import parent_death_guard
from nodeagent.supervision.restart_backoff import Backoff
from nodeagent.supervision.stderr_relay import echo

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Sequence

    from nodeagent.checks.problems import Findings
    from nodeagent.metrics import Metrics

LOG: Final = logging.getLogger(__name__)
LAST_WORDS: Final = 1.0
"""Seconds to read what a child has said after it ended: a child of its own may keep the pipe open."""


class Child:
    """One program; `keep` is its life."""

    def __init__(self, name: str, command: Sequence[str], metrics: Metrics, findings: Findings) -> None:
        self.name = name
        self._command = command
        self._metrics = metrics
        self._findings = findings
        self._backoff = Backoff()
        self._process: Process | None = None
        self._ends = 0
        metrics.child_ends.labels(name)

    async def keep(self, stop: asyncio.Event, grace: float) -> bool:
        """Keep it alive until told to stop; tell whether it then ended well, within `grace` seconds."""
        while not stop.is_set():
            began = time.monotonic()
            try:
                process = self._process = await self._start()
            except OSError as error:
                await self._pause(stop, 0.0, f"cannot be started: {error.strerror}")
                continue
            async with _echoing(process, self.name):
                if await _ends(process, stop):
                    how = f"{told(process.returncode)} after {time.monotonic() - began:.0f} s"
                else:
                    return await self._end(process, grace)
            await self._pause(stop, time.monotonic() - began, how)
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    def status(self) -> dict[str, object]:
        """Give what `/status` shows."""
        runs = self._process is not None and self._process.returncode is None
        return {"process": self._process.pid if runs and self._process else None, "ends": self._ends}

    async def _start(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            *leashed(self._command),
            stdin=DEVNULL,
            stderr=PIPE,
            start_new_session=True,  # Ctrl-C is for the agent, which ends the others by SIGTERM, once
        )
        LOG.info("%s is process %d", self.name, process.pid)
        self._findings.tell(self._reason, "")
        return process

    async def _end(self, process: Process, grace: float) -> bool:
        """Ask it to end, and see that it does; tell whether it ended well."""
        self.signal(signal.SIGTERM)
        with suppress(TimeoutError):
            code = await asyncio.wait_for(process.wait(), grace)
            LOG.log(logging.ERROR if code else logging.INFO, "%s %s", self.name, told(code))
            return code == 0
        LOG.error(
            "%s (process %d) did not end within the grace of %g s and is killed; see --grace of both",
            self.name, process.pid, grace,
        )  # fmt: skip
        self.signal(signal.SIGKILL)
        with suppress(TimeoutError):  # it may hang in the kernel
            await asyncio.wait_for(process.wait(), LAST_WORDS)
        return False

    async def _pause(self, stop: asyncio.Event, lived: float, how: str) -> None:
        """Wait before the next start, and say why."""
        pause = self._backoff.after(lived)
        self._ends += 1
        self._metrics.child_ends.labels(self.name).inc()
        self._findings.tell(self._reason, f"{self.name} {how}; starting it again in {pause:g} s")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)

    @property
    def _reason(self) -> str:
        return f"child {self.name}"


async def _ends(process: Process, stop: asyncio.Event) -> bool:
    """Wait until it has ended, or is to; tell whether it has."""
    gone, stopped = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
    await asyncio.wait({gone, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    gone.cancel()
    return process.returncode is not None


@asynccontextmanager
async def _echoing(process: Process, name: str) -> AsyncGenerator[None]:
    """Say what it says as long as the block lasts, and its last words."""
    saying = asyncio.create_task(echo(process.stderr, name)) if process.stderr else None
    try:
        yield
    finally:
        if saying:
            await asyncio.wait({saying}, timeout=LAST_WORDS)
            saying.cancel()


def leashed(command: Sequence[str], nice: int = 0) -> list[str]:
    """Give the command that starts this one so that it does not outlive this process."""
    script = str(Path(parent_death_guard.__file__))
    return [sys.executable, "-I", "-S", script, str(os.getpid()), str(nice), *command]


def told(code: int | None) -> str:
    """Say in words how a process ended."""
    if code is not None and code < 0:
        known = next((one.name for one in signal.Signals if one == -code), f"signal {-code}")
        return f"was killed by {known}"
    return f"ended with exit code {code}"
