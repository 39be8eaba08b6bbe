"""Logs that live, and an archive that is made of them again and again, by processes that die."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.daemons.compressor.snapshot_rule import Snapshot, expected_content
from tests.daemons.compressor.workspace import Workspace, log_lines
from tests.faults.os_calls import intercept_os_calls

from nodelog.archive.index import InvalidIndexError, read_matching_index

CALLS = (
    "copy_file_range", "fsync", "ftruncate", "open", "pread", "pwrite", "pwritev",
    "rename", "replace", "unlink",
)  # fmt: skip
NAMES = [
    "a.log", "b.log", "-c.log", "d\n.log", b"\xff.log".decode("utf-8", "surrogateescape"),
    "n" * 200 + ".log", "z",
]  # fmt: skip
SIZES = [1, 60, 5_000, 140_000, 600_000, 1_100_000, 2_500_000]

names = st.sampled_from(NAMES)
sizes = st.sampled_from(SIZES)


class DeadError(BaseException):
    """The process was killed."""


class Life(RuleBasedStateMachine):
    """Each rule is something that happens to logs, or to who archives them."""

    def __init__(self) -> None:
        super().__init__()
        shared = Path("/dev/shm")  # noqa: S108 (a kill does not need a disk)
        self.directory = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
        self.workspace = Workspace(self.directory)
        self.seen: dict[int, Snapshot] = {}
        self.number = 0

    def teardown(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.directory)

    def path(self, name: str) -> Path:
        """Say where a log is."""
        return self.workspace.logs / name

    def content(self, size: int) -> bytes:
        """Give lines that no other log has."""
        self.number += 1
        return log_lines(self.number, size)

    @initialize(name=names, size=sizes)
    def begin(self, name: str, size: int) -> None:
        """Have something to archive, and an archive."""
        self.append(name, size)
        self.cycle()

    @rule(name=names, size=sizes)
    def append(self, name: str, size: int) -> None:
        """Write lines, as logs are written."""
        with self.path(name).open("ab") as file:
            file.write(self.content(size))

    @rule(name=names, size=sizes)
    def append_without_an_end(self, name: str, size: int) -> None:
        """Write as much of one line."""
        with self.path(name).open("ab") as file:
            file.write(self.content(size)[:-1].replace(b"\n", b" "))

    @rule(name=names, other=names)
    def rename(self, name: str, other: str) -> None:
        """Rotate it away, perhaps over another."""
        if self.path(name).exists():
            self.path(name).rename(self.path(other))

    @rule(name=names, other=names, size=sizes)
    def rotate_and_begin_anew(self, name: str, other: str, size: int) -> None:
        """Do as logrotate does with `create`."""
        self.rename(name, other)
        self.append(name, size)

    @rule(name=names, other=names)
    def copy_and_truncate(self, name: str, other: str) -> None:
        """Do as logrotate does with `copytruncate`."""
        if self.path(name).exists() and name != other:
            shutil.copyfile(self.path(name), self.path(other))
            os.truncate(self.path(name), 0)

    @rule(name=names)
    def regrow_to_the_same_length(self, name: str) -> None:
        """Write other lines, to the byte as long."""
        if self.path(name).exists():
            size = self.path(name).stat().st_size
            os.truncate(self.path(name), 0)
            with self.path(name).open("ab") as file:
                file.write(self.content(size)[:size])

    @rule(name=names, share=st.floats(0, 1))
    def truncate(self, name: str, share: float) -> None:
        """Cut it anywhere."""
        if self.path(name).exists():
            os.truncate(self.path(name), int(self.path(name).stat().st_size * share))

    @rule(name=names)
    def delete(self, name: str) -> None:
        """Remove it."""
        self.path(name).unlink(missing_ok=True)

    @rule(name=names, size=sizes)
    def recreate(self, name: str, size: int) -> None:
        """Remove it and begin anew, with the same inode as likely as not."""
        self.delete(name)
        self.append(name, size)

    @rule(name=names)
    def touch(self, name: str) -> None:
        """Change nothing but a time."""
        self.path(name).touch()

    @rule(name=names, mode=st.sampled_from([0o600, 0o644]))
    def chmod(self, name: str, mode: int) -> None:
        """Change nothing but the mode."""
        if self.path(name).exists():
            self.path(name).chmod(mode)

    @rule(count=st.integers(1, 40))
    def many_small_ones(self, count: int) -> None:
        """Write a group or two of them."""
        for number in range(count):
            self.append(f"small-{number}", 9_000)

    @rule()
    def restart(self) -> None:
        """Begin with a process that knows what the index says."""
        self.workspace.restart()

    @rule(spoil=st.sampled_from([b"", b"x"]))
    def lose_the_index(self, spoil: bytes) -> None:
        """Begin with one that has none to read."""
        if self.workspace.target.exists():
            index = Path(f"{self.workspace.target}.index")
            index.write_bytes(spoil) if spoil else index.unlink(missing_ok=True)
            self.workspace.restart()
            self.seen = {}

    @rule()
    def scrub(self) -> None:
        """Find nothing, as nothing is damaged."""
        assert not self.workspace.scrub().damage

    @rule(call=st.integers(1, 60))
    def die_in_a_cycle(self, call: int) -> None:
        """Kill it before that call; nothing is done afterwards, as in a process that is gone."""
        if not any(self.workspace.logs.iterdir()):
            return
        before = self.workspace.target.read_bytes()
        index = Path(f"{self.workspace.target}.index")
        snapshots = self.snapshots()
        calls = 0

        def count(_name: str, _arguments: tuple[Any, ...]) -> None:
            nonlocal calls
            calls += 1
            if calls >= call:
                raise DeadError

        try:
            with intercept_os_calls(count, CALLS):
                self.workspace.update()
        except DeadError:
            self.workspace.restart()
            if self.workspace.target.read_bytes() == before:
                return
            if not index.exists() or not self.is_ours():
                self.seen = {}
                self.check(snapshots)
                return
        self.done(snapshots)

    def is_ours(self) -> bool:
        """Say whether the index belongs to the archive."""
        try:
            read_matching_index(self.workspace.target)
        except InvalidIndexError:
            return False
        return True

    @rule()
    def cycle(self) -> None:
        """Archive what there is."""
        if any(self.workspace.logs.iterdir()):
            snapshots = self.snapshots()
            self.workspace.update()
            self.done(snapshots)

    @rule()
    def rest(self) -> None:
        """Two cycles without a change: the second writes nothing."""
        self.cycle()
        self.cycle()
        if any(self.workspace.logs.iterdir()):
            assert not self.workspace.update().published

    @precondition(lambda self: any(self.workspace.logs.iterdir()))
    @rule()
    def read_with_gnu_tar(self) -> None:
        """Have it read by the tools that people have."""
        self.cycle()
        run = subprocess.run(["tar", "-tzf", self.workspace.target], capture_output=True, check=True)
        assert len(run.stdout.splitlines()) == len(list(self.workspace.logs.iterdir()))
        subprocess.run(["gzip", "-t", self.workspace.target], check=True)

    def snapshots(self) -> dict[str, bytes]:
        """Say what a cycle would archive now."""
        return {
            path.name: expected_content(path.read_bytes(), self.seen.get(path.stat().st_ino))
            for path in self.workspace.logs.iterdir()
        }

    def check(self, snapshots: dict[str, bytes]) -> None:
        """Compare the archive with that."""
        members = self.workspace.members()
        assert members.keys() == snapshots.keys()
        for name, content in snapshots.items():
            assert members[name] == content, (name, len(members[name]), len(content))

    def done(self, snapshots: dict[str, bytes]) -> None:
        """Compare, and remember what the archive has now."""
        self.check(snapshots)
        assert self.workspace.leftovers() == []
        self.seen = {
            path.stat().st_ino: Snapshot(snapshots[path.name], path.stat().st_size)
            for path in self.workspace.logs.iterdir()
        }


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
