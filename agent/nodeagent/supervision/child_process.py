"""A supervised program: started, restarted after a pause when it ends or hangs, and stopped in order."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from nodeagent.supervision.parent_death_guard import guarded_command
from nodeagent.supervision.restart_backoff import RestartBackoff
from nodeagent.supervision.stderr_relay import relay_stderr

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Sequence

    from nodeagent.metrics import Metrics
    from nodeagent.problems import Problems
    from nodeagent.supervision.liveness import Liveness

LOG: Final = logging.getLogger(__name__)
OUTPUT_TIMEOUT: Final = 1.0
"""Seconds to read the rest of stderr after a child has ended: a child of its own may keep the pipe open."""
KILL_TIMEOUT: Final = 1.0
"""Seconds to wait for a killed child, which may hang in the kernel."""


class ChildProcess:
    """One program; `supervise` runs it from the first start to the final stop."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        metrics: Metrics,
        problems: Problems,
        liveness: Liveness | None = None,
    ) -> None:
        self.name = name
        self._command = command
        self._liveness = liveness
        self._metrics = metrics
        self._problems = problems
        self._backoff = RestartBackoff()
        self._process: Process | None = None
        self._ends = 0
        metrics.child_ends.labels(name)

    async def supervise(self, stop: asyncio.Event, grace: float) -> bool:
        """Keep it running until `stop` is set; return whether it then ended well within `grace` seconds."""
        while not stop.is_set():
            started = time.monotonic()
            try:
                process = self._process = await self._start()
            except OSError as error:
                await self._pause(stop, 0.0, f"cannot be started: {error.strerror}")
                continue
            async with _relaying_stderr(process, self.name):
                hang = await self._wait(process, stop)
                if process.returncode is None:
                    ended_well = await self._terminate(process, grace, hang)
                    if stop.is_set():
                        return ended_well
                uptime = time.monotonic() - started
                how = hang or f"{describe_exit(process.returncode)} after {uptime:.0f} s"
            await self._pause(stop, uptime, how)
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal if it is running."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    def status(self) -> dict[str, object]:
        """Return what `/status` shows."""
        is_running = self._process is not None and self._process.returncode is None
        return {"process": self._process.pid if is_running and self._process else None, "ends": self._ends}

    async def _start(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            *guarded_command(*self._command),
            stdin=DEVNULL,
            stderr=PIPE,
            start_new_session=True,  # Ctrl-C reaches the agent alone, which sends each child one SIGTERM
        )
        LOG.info("%s is process %d", self.name, process.pid)
        self._problems.report(self._problem_name, "")
        return process

    async def _wait(self, process: Process, stop: asyncio.Event) -> str:
        """Wait until the process ends, hangs, or `stop` is set; return how it hangs, or an empty text."""
        waits = [asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())]
        hung = asyncio.create_task(self._liveness.wait_hung()) if self._liveness else None
        try:
            await asyncio.wait([*waits, hung] if hung else waits, return_when=asyncio.FIRST_COMPLETED)
            return hung.result() if hung and hung.done() else ""
        finally:
            for task in (*waits, hung):
                if task:
                    task.cancel()

    async def _terminate(self, process: Process, grace: float, hang: str) -> bool:
        """Send SIGTERM, and SIGKILL after the grace; return whether it ended well."""
        if hang:
            text = f"{self.name} (process {process.pid}) {hang}; it is ended, and then started again"
            self._problems.report(self._problem_name, text)
        self.signal(signal.SIGTERM)
        with suppress(TimeoutError):
            code = await asyncio.wait_for(process.wait(), grace)
            LOG.log(logging.ERROR if code else logging.INFO, "%s %s", self.name, describe_exit(code))
            return code == 0
        LOG.error(
            "%s (process %d) did not end within the grace of %g s and is killed; see --grace of both",
            self.name, process.pid, grace,
        )  # fmt: skip
        self.signal(signal.SIGKILL)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), KILL_TIMEOUT)
        return False

    async def _pause(self, stop: asyncio.Event, uptime: float, how: str) -> None:
        """Report how it ended, and wait until the next start or `stop`."""
        pause = self._backoff.delay_after(uptime)
        self._ends += 1
        self._metrics.child_ends.labels(self.name).inc()
        self._problems.report(self._problem_name, f"{self.name} {how}; starting it again in {pause:g} s")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)

    @property
    def _problem_name(self) -> str:
        return f"child {self.name}"


@asynccontextmanager
async def _relaying_stderr(process: Process, name: str) -> AsyncGenerator[None]:
    """Relay its stderr while the block runs, and what is left of it afterwards."""
    relay = asyncio.create_task(relay_stderr(process.stderr, name)) if process.stderr else None
    try:
        yield
    finally:
        if relay:
            await asyncio.wait({relay}, timeout=OUTPUT_TIMEOUT)
            relay.cancel()


def describe_exit(code: int | None) -> str:
    """Describe how a process ended: by a signal, or by itself with an exit code."""
    if code is not None and code < 0:
        name = next((one.name for one in signal.Signals if one == -code), f"signal {-code}")
        return f"was killed by {name}"
    return f"ended with exit code {code}"
