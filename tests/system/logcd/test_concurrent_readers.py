"""An archive that is read while logcd writes is complete and consists of whole lines."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.log_appender import LogAppender
from tests.monitors import Monitor
from tests.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.logcd import StartLogcd

TRIALS = 30


class ArchiveReader(Monitor):
    """Checks repeatedly that `gzip -t` accepts the archive and `tar` lists it."""

    def __init__(self, archive: Path) -> None:
        """Watch this archive."""
        super().__init__()
        self.reads = 0
        self._archive = archive

    def check(self) -> str:
        """Read the archive once."""
        for command in (["gzip", "-t"], ["tar", "-tzf"]):
            done = subprocess.run([*command, self._archive], capture_output=True, text=True, check=False)
            if done.returncode:
                return f"{command}: {done.stderr}"
            self.reads += 1
        return ""


def test_readers_find_a_whole_archive_at_any_time(logs: Path, logcd: StartLogcd) -> None:
    (logs / "still.log").write_bytes(b"".join(b"%d\n" % number for number in range(300_000)))
    daemon = logcd("--every=100ms")
    with ExitStack() as stack:
        for seed, name in enumerate(("a.log", "b.log")):
            stack.enter_context(LogAppender(logs / name, seed))
        readers = [stack.enter_context(ArchiveReader(daemon.archive)) for _ in range(2)]
        wait_for(
            lambda: (
                daemon.metric("nodelog_archive_cycles_total", result="published") >= TRIALS
                and all(each.reads >= TRIALS or each.faults for each in readers)
            ),
            "the archive was written and read many times",
        )
    daemon.settle()
    assert daemon.contents() == {path.name: path.read_bytes() for path in logs.glob("*.log")}


def test_no_archive_ends_in_a_torn_line(logs: Path, logcd: StartLogcd) -> None:
    path = logs / "a.log"
    with LogAppender(path) as log:
        log.append()
        daemon = logcd()
        lengths = []
        for _ in range(TRIALS):
            log.append()  # a line that has grown since the last cycle is not finished
            daemon.cycle()
            found = daemon.contents()["a.log"]
            assert found.endswith(b"\n")
            assert path.read_bytes().startswith(found)
            lengths.append(len(found))
    assert lengths == sorted(lengths)
    daemon.cycle()
    assert daemon.contents()["a.log"] == path.read_bytes()
