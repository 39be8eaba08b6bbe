"""`kill -9` of a real logcd at any time leaves the old archive or the new one, never a partial one."""

from __future__ import annotations

import random
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.archive_contents import archive_contents, assert_archive_whole, log_contents
from tests.log_appender import LogAppender
from tests.processes.logcd import ARCHIVE_NAME, logcd_once_writing, run_logcd_once

if TYPE_CHECKING:
    from pathlib import Path

TRIALS = 20


def test_a_kill_at_any_time_leaves_a_whole_archive(logs: Path) -> None:
    dice = random.Random(5)  # noqa: S311 (chooses the moment)
    (logs / "still.log").write_bytes(b"".join(b"%d\n" % number for number in range(500_000)))
    with ExitStack() as stack:
        growing = [
            stack.enter_context(LogAppender(logs / name, seed))
            for seed, name in enumerate(("a.log", "b.log"))
        ]
        for _ in range(TRIALS):
            for log in growing:
                log.append()
            with logcd_once_writing(logs) as process:
                signal.sigtimedwait([], dice.random() / 20)  # somewhere in the cycle or just after it
                process.kill()
            for name, content in (
                archive_contents(logs / ARCHIVE_NAME, logs).items() if (logs / ARCHIVE_NAME).exists() else ()
            ):
                assert (logs / name).read_bytes().startswith(content)
    assert run_logcd_once(logs).returncode == 0
    assert archive_contents(logs / ARCHIVE_NAME, logs) == log_contents(logs)
    assert_archive_whole(logs / ARCHIVE_NAME)
