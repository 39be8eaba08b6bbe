"""`kill -9`, at any time and before each step: the archive is the old one or the new one, never half."""

from __future__ import annotations

import os
import random
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tests.appending import Appending
from tests.archiving import NAME, assert_whole, beginning, compressor, contents, cycle, files, once
from tests.faults import watched

if TYPE_CHECKING:
    from pathlib import Path

TRIALS = 20
MIB = 1024 * 1024


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


def test_a_kill_before_any_call_leaves_the_old_archive_or_the_new(logs: Path) -> None:
    for name in ("a.log", "b.log"):
        (logs / name).write_bytes(b"".join(b"%s %d\n" % (name.encode(), line) for line in range(200_000)))
    assert not dies(logs, 10**9)
    died, calls = True, 0
    while died:
        calls += 1
        before = files(logs)
        with (logs / "b.log").open("ab") as file:
            file.write(b"and one more, %d\n" % calls)
        died = dies(logs, calls)
        assert contents(logs / NAME, logs) in (before, files(logs)), f"killed before call {calls}"
        assert not dies(logs, 10**9)
        assert contents(logs / NAME, logs) == files(logs), f"killed before call {calls}"
        assert_whole(logs / NAME)
    assert calls > TRIALS  # or it did not see the calls


def dies(logs: Path, before: int) -> bool:
    """Make a cycle in a process that is killed before its n-th call; say whether it was."""
    child = os.fork()
    if not child:
        calls = 0

        def count(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal calls
            calls += 1
            if calls < before:
                return
            if name == "pwritev":  # a kill may end it anywhere
                (first, *_) = arguments[1]
                os.pwrite(arguments[0], first[: len(first) // 2], arguments[2])
            os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            with watched(count):
                cycle(compressor(logs))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)
