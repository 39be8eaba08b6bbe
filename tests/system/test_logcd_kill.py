"""`kill -9` of a real logcd at any time: the archive is the old one or the new one, never half."""

from __future__ import annotations

import random
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.appending import Appending
from tests.archiving import NAME, assert_whole, beginning, contents, files, once

if TYPE_CHECKING:
    from pathlib import Path

TRIALS = 20


def test_a_kill_at_any_time_leaves_a_whole_archive(logs: Path) -> None:
    dice = random.Random(5)  # noqa: S311 (chooses when)
    assert once(logs).returncode == 0
    (logs / "still.log").write_bytes(b"".join(b"%d\n" % number for number in range(500_000)))
    with ExitStack() as stack:
        growing = [
            stack.enter_context(Appending(logs / name, seed)) for seed, name in enumerate(("a.log", "b.log"))
        ]
        for _ in range(TRIALS):
            for log in growing:
                log.append()
            with beginning(logs) as process:
                signal.sigtimedwait([], dice.random() / 20)  # somewhere in the cycle, or just behind it
                process.kill()
            for name, content in contents(logs / NAME, logs).items() if (logs / NAME).exists() else ():
                assert (logs / name).read_bytes().startswith(content)
    assert once(logs).returncode == 0
    assert contents(logs / NAME, logs) == files(logs)
    assert_whole(logs / NAME)
