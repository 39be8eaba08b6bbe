import asyncio
import os
import signal

import pytest
from tests.waiting import until

from nodeagent.settings import Settings, WatchTargets
from nodeagent.watch_command import watch
from nodelogd.service.listening_sockets import Address

NOTHING = WatchTargets(collector=None, daemons=(), disks=(), archives=None, archive_every=60.0, log=None)


async def test_the_command_runs_until_sigterm(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    watching = asyncio.create_task(watch(NOTHING, Settings(http=(Address("127.0.0.1", 0),))))
    await until(lambda: "HTTP on" in caplog.text)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await watching == 0
    assert caplog.messages[-1] == "stopped"
