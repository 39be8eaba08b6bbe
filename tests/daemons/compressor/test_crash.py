"""A cycle that is killed before any of its calls, or has no room at any, leaves a whole archive."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from tests.daemons.compressor.archiving import Place, lines
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
def place(tmp_path: Path) -> Place:
    return filled(tmp_path)


def filled(directory: Path) -> Place:
    """Make an archive, and logs that have gone on since."""
    place = Place(directory)
    for name, size in (("a.log", 3_000_000), ("b.log", 5_000), ("c.log", 200_000)):
        (place.logs / name).write_bytes(lines(1, size))
    place.cycle()
    for name in ("a.log", "c.log"):
        with (place.logs / name).open("ab") as file:
            file.write(lines(2, 900_000))
    (place.logs / "d.log").write_bytes(lines(3, 100))
    return place


def contents(place: Place) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.logs.iterdir()}


def killed(place: Place, before: int) -> bool:
    """Make a cycle in a process that is killed before its n-th call, a write in the middle of it."""
    child = os.fork()
    if not child:
        calls, write = 0, os.pwritev

        def count(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal calls
            calls += 1
            if calls == before:
                if name == "pwritev":
                    write(arguments[0], [arguments[1][0][: len(arguments[1][0]) // 2]], arguments[2])
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            with intercept_os_calls(count, CALLS):
                place.restart()
                place.cycle()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_kill_before_any_call_leaves_the_old_archive_or_the_new_one(place: Place) -> None:
    old, new = place.members(), contents(place)
    before, calls = place.target.read_bytes(), 0
    index = place.target.with_name(f"{place.target.name}.index")
    sums = index.read_bytes()
    while True:
        calls += 1
        place.target.write_bytes(before)
        index.write_bytes(sums)
        if not killed(place, calls):
            break
        assert place.members() in (old, new), f"killed before call {calls}"
        place.restart()
        place.cycle()
        assert place.leftovers() == []
        assert place.members() == new
        read_matching_index(place.target)
    assert calls > 30  # or it did not see them


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_an_error_of_any_call_leaves_the_old_archive_or_the_new_one(error: int, place: Place) -> None:
    """Of the same process: it goes on as if nothing had been, and mends the index if that is what failed."""
    new = contents(place)
    for calls in range(1, 40):
        before = place.members()

        def fail(name: str, _arguments: tuple[Any, ...], left: Any = iter(range(calls))) -> None:  # noqa: ANN401, B008
            if (
                name in {"pwrite", "pwritev", "copy_file_range", "fsync", "replace"}
                and next(left, None) is None
            ):
                raise OSError(error, os.strerror(error))

        with intercept_os_calls(fail, CALLS):
            try:
                place.cycle()
            except OSError as caught:
                assert caught.errno == error  # noqa: PT017 (a cycle may well end before that many calls)
        assert place.leftovers() == []
        assert place.members() in (before, new)
        if place.members() == new:
            with (place.logs / "b.log").open("ab") as file:
                file.write(lines(calls, 5000))
            new = contents(place)
    place.cycle()
    assert place.members() == new
    read_matching_index(place.target)


def test_a_full_disk_leaves_the_old_archive_at_any_stage(small_disk: SmallDisk) -> None:
    place = filled(small_disk.path)
    old, new = place.members(), contents(place)
    for room in range(0, 600_000, 24_000):
        small_disk.fill(but=room)
        try:
            place.cycle()
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 (with enough room there is none)
        small_disk.clear()
        assert place.leftovers() == []
        assert place.members() in (old, new)
    place.cycle()
    assert place.members() == new
    read_matching_index(place.target)


def test_a_piece_that_does_not_read_back_is_not_published(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = place.target.read_bytes()
    real = os.pwritev

    def pwritev(fd: int, buffers: list[bytes], offset: int) -> int:
        flipped = bytearray(b"".join(buffers))
        flipped[len(flipped) // 2] ^= 1
        return real(fd, [flipped], offset)

    monkeypatch.setattr(os, "pwritev", pwritev)
    with pytest.raises(OSError, match="did not read back"):
        place.cycle()
    assert place.target.read_bytes() == before
    assert place.leftovers() == []


def test_where_the_kernel_cannot_copy_we_do(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy_file_range(*_arguments: object) -> int:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    assert place.cycle().bytes_copied > 0
    assert place.members() == contents(place)


def test_an_archive_that_cannot_be_copied_fails_one_cycle_only(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad_sector(_old: int, _new: int, _length: int, start: int, *_at: int) -> int:
        raise OSError(errno.EIO, f"Input/output error at {start}")

    def unreadable(*_arguments: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "copy_file_range", bad_sector)
    with monkeypatch.context() as more:
        more.setattr(os, "pread", unreadable)
        with pytest.raises(OSError, match=r"the last archive cannot be read at .*: Input/output error"):
            place.cycle()
    assert place.leftovers() == []
    assert place.cycle().bytes_copied == 0
    assert place.members() == contents(place)


def test_an_archive_that_is_cut_while_it_is_copied_is_made_anew(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)
    with pytest.raises(OSError, match="the last archive is shorter than it was"):
        place.cycle()
    assert place.leftovers() == []
    monkeypatch.undo()
    os.truncate(place.target, 1000)
    place.cycle()
    assert place.members() == contents(place)
