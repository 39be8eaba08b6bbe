"""Random histories of logs, updates, restarts and kills: the archive always holds exactly the snapshots."""

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


class KilledError(BaseException):
    """The process was killed."""


class ArchiveMachine(RuleBasedStateMachine):
    """Each rule is an event in the life of the logs or of the process that archives them."""

    def __init__(self) -> None:
        super().__init__()
        shared = Path("/dev/shm")  # noqa: S108 (a simulated kill needs no disk)
        self.directory = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
        self.workspace = Workspace(self.directory)
        self.snapshots: dict[int, Snapshot] = {}
        self.number = 0

    def teardown(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self.directory)

    def path(self, name: str) -> Path:
        """Return the path of a log."""
        return self.workspace.logs / name

    def content(self, size: int) -> bytes:
        """Return lines that no other log contains."""
        self.number += 1
        return log_lines(self.number, size)

    @initialize(name=names, size=sizes)
    def create(self, name: str, size: int) -> None:
        """Create a log and an archive."""
        self.append(name, size)
        self.update()

    @rule(name=names, size=sizes)
    def append(self, name: str, size: int) -> None:
        """Append lines."""
        with self.path(name).open("ab") as file:
            file.write(self.content(size))

    @rule(name=names, size=sizes)
    def append_unfinished_line(self, name: str, size: int) -> None:
        """Append one line without its end."""
        with self.path(name).open("ab") as file:
            file.write(self.content(size)[:-1].replace(b"\n", b" "))

    @rule(name=names, other=names)
    def rename(self, name: str, other: str) -> None:
        """Rotate a log away, perhaps over another one."""
        if self.path(name).exists():
            self.path(name).rename(self.path(other))

    @rule(name=names, other=names, size=sizes)
    def rotate_and_create(self, name: str, other: str, size: int) -> None:
        """Rotate as logrotate does with `create`."""
        self.rename(name, other)
        self.append(name, size)

    @rule(name=names, other=names)
    def copy_and_truncate(self, name: str, other: str) -> None:
        """Rotate as logrotate does with `copytruncate`."""
        if self.path(name).exists() and name != other:
            shutil.copyfile(self.path(name), self.path(other))
            os.truncate(self.path(name), 0)

    @rule(name=names)
    def regrow_to_the_same_length(self, name: str) -> None:
        """Replace the content by other lines of exactly the same length."""
        if self.path(name).exists():
            size = self.path(name).stat().st_size
            os.truncate(self.path(name), 0)
            with self.path(name).open("ab") as file:
                file.write(self.content(size)[:size])

    @rule(name=names, share=st.floats(0, 1))
    def truncate(self, name: str, share: float) -> None:
        """Truncate a log anywhere."""
        if self.path(name).exists():
            os.truncate(self.path(name), int(self.path(name).stat().st_size * share))

    @rule(name=names)
    def delete(self, name: str) -> None:
        """Remove a log."""
        self.path(name).unlink(missing_ok=True)

    @rule(name=names, size=sizes)
    def recreate(self, name: str, size: int) -> None:
        """Remove a log and create it again, often with the same inode."""
        self.delete(name)
        self.append(name, size)

    @rule(name=names)
    def touch(self, name: str) -> None:
        """Change only the times."""
        self.path(name).touch()

    @rule(name=names, mode=st.sampled_from([0o600, 0o644]))
    def chmod(self, name: str, mode: int) -> None:
        """Change only the mode."""
        if self.path(name).exists():
            self.path(name).chmod(mode)

    @rule(count=st.integers(1, 40))
    def append_to_many_small_logs(self, count: int) -> None:
        """Append to enough small logs for one or two groups."""
        for number in range(count):
            self.append(f"small-{number}", 9_000)

    @rule()
    def restart(self) -> None:
        """Start a process that knows only the index."""
        self.workspace.restart()

    @rule(content=st.sampled_from([b"", b"x"]))
    def restart_without_index(self, content: bytes) -> None:
        """Start a process whose index is missing or damaged."""
        if self.workspace.target.exists():
            index = Path(f"{self.workspace.target}.index")
            index.write_bytes(content) if content else index.unlink(missing_ok=True)
            self.workspace.restart()
            self.snapshots = {}

    @rule()
    def scrub(self) -> None:
        """Scrub; it finds no damage."""
        assert not self.workspace.scrub().damage

    @rule(call=st.integers(1, 60))
    def kill_in_an_update(self, call: int) -> None:
        """Kill the process before its n-th call; no later call has an effect either."""
        if not any(self.workspace.logs.iterdir()):
            return
        before = self.workspace.target.read_bytes()
        index = Path(f"{self.workspace.target}.index")
        expected = self.expected_contents()
        calls = 0

        def count(_name: str, _arguments: tuple[Any, ...]) -> None:
            nonlocal calls
            calls += 1
            if calls >= call:
                raise KilledError

        try:
            with intercept_os_calls(count, CALLS):
                self.workspace.update()
        except KilledError:
            self.workspace.restart()
            if self.workspace.target.read_bytes() == before:
                return
            if not index.exists() or not self.index_matches():
                self.snapshots = {}
                self.check(expected)
                return
        self.check_and_remember(expected)

    def index_matches(self) -> bool:
        """Return whether the index belongs to the archive."""
        try:
            read_matching_index(self.workspace.target)
        except InvalidIndexError:
            return False
        return True

    @rule()
    def update(self) -> None:
        """Update the archive."""
        if any(self.workspace.logs.iterdir()):
            expected = self.expected_contents()
            self.workspace.update()
            self.check_and_remember(expected)

    @rule()
    def update_without_changes(self) -> None:
        """Update twice without a change, so that no fragment waits; a third update writes nothing."""
        self.update()
        self.update()
        if any(self.workspace.logs.iterdir()):
            assert not self.workspace.update().published

    @precondition(lambda self: any(self.workspace.logs.iterdir()))
    @rule()
    def read_with_gnu_tar(self) -> None:
        """Read the archive with GNU tar and gzip."""
        self.update()
        run = subprocess.run(["tar", "-tzf", self.workspace.target], capture_output=True, check=True)
        assert len(run.stdout.splitlines()) == len(list(self.workspace.logs.iterdir()))
        subprocess.run(["gzip", "-t", self.workspace.target], check=True)

    def expected_contents(self) -> dict[str, bytes]:
        """Return what an update would archive now."""
        return {
            path.name: expected_content(path.read_bytes(), self.snapshots.get(path.stat().st_ino))
            for path in self.workspace.logs.iterdir()
        }

    def check(self, expected: dict[str, bytes]) -> None:
        """Compare the archive with the expected contents."""
        members = self.workspace.members()
        assert members.keys() == expected.keys()
        for name, content in expected.items():
            assert members[name] == content, (name, len(members[name]), len(content))

    def check_and_remember(self, expected: dict[str, bytes]) -> None:
        """Compare the archive with the expected contents, and remember these snapshots."""
        self.check(expected)
        assert self.workspace.leftovers() == []
        self.snapshots = {
            path.stat().st_ino: Snapshot(expected[path.name], path.stat().st_size)
            for path in self.workspace.logs.iterdir()
        }


TestArchive = ArchiveMachine.TestCase
TestArchive.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
