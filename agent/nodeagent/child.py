"""A program that is kept alive: started, started again with a pause when it ended, and ended in order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodeagent import leash
from nodeagent.backoff import Backoff
from nodeagent.echo import echo

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence

    from nodeagent.findings import Findings
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
        """Keep it alive until told to stop; tell whether it then ended by itself within `grace` seconds."""
        while not stop.is_set():
            began = time.monotonic()
            self._process = await self._start()
            saying = asyncio.create_task(echo(self._process.stderr, self.name))  # type: ignore[arg-type]  # a pipe
            gone = asyncio.create_task(self._process.wait())
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({gone, stopped}, return_when=asyncio.FIRST_COMPLETED)
            in_time = gone.done() or await self._end(gone, grace)
            stopped.cancel()
            await asyncio.wait({saying}, timeout=LAST_WORDS)
            saying.cancel()
            if not in_time:
                return False
            if not stop.is_set():
                await self._pause(stop, time.monotonic() - began)
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

    async def _end(self, gone: asyncio.Task[int], grace: float) -> bool:
        """Ask it to end, and see that it does."""
        self.signal(signal.SIGTERM)
        await asyncio.wait({gone}, timeout=grace)
        if gone.done():
            code = gone.result()
            LOG.log(logging.ERROR if code else logging.INFO, "%s %s", self.name, told(code))
            return code == 0
        LOG.error(
            "%s (process %d) did not end within the grace of %g s and is killed; see --grace of both",
            self.name, self._process.pid if self._process else 0, grace,
        )  # fmt: skip
        self.signal(signal.SIGKILL)
        await asyncio.wait({gone}, timeout=LAST_WORDS)  # in vain if it hangs in the kernel
        return False

    async def _pause(self, stop: asyncio.Event, lived: float) -> None:
        """Wait before the next start, and say why."""
        pause = self._backoff.after(lived)
        self._ends += 1
        self._metrics.child_ends.labels(self.name).inc()
        code = self._process.returncode if self._process else None
        text = f"{self.name} {told(code)} after {lived:.0f} s; starting it again in {pause:g} s"
        self._findings.tell(self._reason, text)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)

    @property
    def _reason(self) -> str:
        return f"child {self.name}"


def leashed(command: Sequence[str], nice: int = 0) -> list[str]:
    """Give the command that starts this one so that it does not outlive this process."""
    script = str(Path(leash.__file__))
    return [sys.executable, "-I", "-S", script, str(os.getpid()), str(nice), *command]


def told(code: int | None) -> str:
    """Say in words how a process ended."""
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
