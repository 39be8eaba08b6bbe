"""A kill before any system call of an update, or a failure of any, leaves a whole archive."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from tests.daemons.compressor.workspace import Workspace, log_lines
from tests.faults.os_calls import intercept_os_calls

from nodelog.archive.index import read_matching_index

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.mounts import SmallDisk

CALLS = (
    "copy_file_range",
    "fsync",
    "ftruncate",
    "open",
    "pread",
    "preadv",
    "pwrite",
    "pwritev",
    "replace",
    "unlink",
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return grown_workspace(tmp_path)


def grown_workspace(directory: Path) -> Workspace:
    """Return a workspace with an archive and with logs that have grown since."""
    workspace = Workspace(directory)
    for name, size in (("a.log", 3_000_000), ("b.log", 5_000), ("c.log", 200_000)):
        (workspace.logs / name).write_bytes(log_lines(1, size))
    workspace.update()
    for name in ("a.log", "c.log"):
        with (workspace.logs / name).open("ab") as file:
            file.write(log_lines(2, 900_000))
    (workspace.logs / "d.log").write_bytes(log_lines(3, 100))
    return workspace


def update_and_kill(workspace: Workspace, at_call: int) -> bool:
    """Update in a process that is killed before its n-th call, or halfway if it is a write.

    Return False if the update made fewer calls.
    """
    child = os.fork()
    if not child:
        calls, write = 0, os.pwritev

        def count(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal calls
            calls += 1
            if calls == at_call:
                if name == "pwritev":
                    write(arguments[0], [arguments[1][0][: len(arguments[1][0]) // 2]], arguments[2])
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            with intercept_os_calls(count, CALLS):
                workspace.restart()
                workspace.update()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_kill_before_any_call_leaves_the_old_archive_or_the_new_one(workspace: Workspace) -> None:
    old, new = workspace.members(), workspace.contents()
    before, calls = workspace.target.read_bytes(), 0
    index = workspace.target.with_name(f"{workspace.target.name}.index")
    index_before = index.read_bytes()
    while True:
        calls += 1
        workspace.target.write_bytes(before)
        index.write_bytes(index_before)
        if not update_and_kill(workspace, calls):
            break
        assert workspace.members() in (old, new), f"killed before call {calls}"
        workspace.restart()
        workspace.update()
        assert workspace.leftovers() == []
        assert workspace.members() == new
        read_matching_index(workspace.target)
    assert calls > 30  # otherwise the calls were not intercepted


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_failure_of_any_call_leaves_the_old_archive_or_the_new_one(
    error: int, workspace: Workspace
) -> None:
    """The same process continues normally, and writes the index again if that is what failed."""
    new = workspace.contents()
    for calls in range(1, 40):
        before = workspace.members()

        def fail(name: str, _arguments: tuple[Any, ...], remaining: Any = iter(range(calls))) -> None:  # noqa: ANN401, B008
            if (
                name in {"pwrite", "pwritev", "copy_file_range", "fsync", "replace"}
                and next(remaining, None) is None
            ):
                raise OSError(error, os.strerror(error))

        with intercept_os_calls(fail, CALLS):
            try:
                workspace.update()
            except OSError as caught:
                assert caught.errno == error  # noqa: PT017 (an update may make fewer calls)
        assert workspace.leftovers() == []
        assert workspace.members() in (before, new)
        if workspace.members() == new:
            with (workspace.logs / "b.log").open("ab") as file:
                file.write(log_lines(calls, 5000))
            new = workspace.contents()
    workspace.update()
    assert workspace.members() == new
    read_matching_index(workspace.target)


def test_a_full_disk_leaves_the_old_archive_at_any_stage(small_disk: SmallDisk) -> None:
    workspace = grown_workspace(small_disk.path)
    old, new = workspace.members(), workspace.contents()
    for room in range(0, 600_000, 24_000):
        small_disk.fill(but=room)
        try:
            workspace.update()
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 (with enough room there is no error)
        small_disk.clear()
        assert workspace.leftovers() == []
        assert workspace.members() in (old, new)
    workspace.update()
    assert workspace.members() == new
    read_matching_index(workspace.target)


def test_a_piece_that_does_not_read_back_is_not_published(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = workspace.target.read_bytes()
    real = os.pwritev

    def pwritev(fd: int, buffers: list[bytes], offset: int) -> int:
        flipped = bytearray(b"".join(buffers))
        flipped[len(flipped) // 2] ^= 1
        return real(fd, [flipped], offset)

    monkeypatch.setattr(os, "pwritev", pwritev)
    with pytest.raises(OSError, match="did not read back"):
        workspace.update()
    assert workspace.target.read_bytes() == before
    assert workspace.leftovers() == []


def test_bytes_are_copied_in_user_space_if_the_kernel_cannot_copy(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_file_range(*_arguments: object) -> int:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    assert workspace.update().bytes_copied > 0
    assert workspace.members() == workspace.contents()


def test_an_archive_that_cannot_be_copied_fails_only_one_update(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad_sector(_old: int, _new: int, _length: int, start: int, *_at: int) -> int:
        raise OSError(errno.EIO, f"Input/output error at {start}")

    def unreadable(*_arguments: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "copy_file_range", bad_sector)
    with monkeypatch.context() as more:
        more.setattr(os, "pread", unreadable)
        with pytest.raises(OSError, match=r"the previous archive cannot be read at .*: Input/output error"):
            workspace.update()
    assert workspace.leftovers() == []
    assert workspace.update().bytes_copied == 0
    assert workspace.members() == workspace.contents()


def test_an_archive_truncated_while_it_is_copied_is_rebuilt(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def truncating(*_: object) -> int:
        os.truncate(workspace.target, 20)
        return 0

    monkeypatch.setattr(os, "copy_file_range", truncating)
    with pytest.raises(OSError, match="the previous archive is shorter than it was"):
        workspace.update()
    assert workspace.leftovers() == []
    monkeypatch.undo()
    os.truncate(workspace.target, 1000)
    workspace.update()
    assert workspace.members() == workspace.contents()
