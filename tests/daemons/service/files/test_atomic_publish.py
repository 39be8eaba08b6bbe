"""Atomic publishing: whatever fails, readers see the old file or the new one, nothing else."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from nodelogd.service.files.atomic_publish import publish_atomically, sync_directory


def leftovers(path: Path) -> list[Path]:
    """Return the temporary files left beside a file."""
    return list(path.parent.glob(f".{path.name}.tmp-*"))


def program(text: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that publishes `path`, in another process."""
    imports = "from pathlib import Path\nfrom nodelogd.service.files.atomic_publish import publish_atomically"
    code = f"import os, resource, sys\n{imports}\n{text}"
    command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(b"old")
    return path


def test_a_file_is_published_when_the_block_ends(path: Path) -> None:
    with publish_atomically(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_file_that_did_not_exist_is_published(tmp_path: Path) -> None:
    with publish_atomically(tmp_path / "first") as file:
        file.write(b"new")
    assert (tmp_path / "first").read_bytes() == b"new"


def test_what_was_written_can_be_read_back_before_it_is_published(path: Path) -> None:
    with publish_atomically(path) as file:
        file.write(b"new")
        file.seek(0)
        assert file.read() == b"new"


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(path: Path, error: type[BaseException]) -> None:
    def fails() -> None:
        with publish_atomically(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fails()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_file(path: Path) -> None:
    done = program(
        """
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with publish_atomically(Path(sys.argv[1])) as file:
        file.write(b"x" * 4000)
except OSError as error:
    print(os.strerror(error.errno))
""",
        path,
    )
    assert done.stdout == "File too large\n"
    assert path.read_bytes() == b"old"
    assert leftovers(path) == []


def test_a_killed_process_leaves_the_old_file_and_a_recognizable_leftover(path: Path) -> None:
    (path.parent / f"{path.name}.tmp-1").touch()  # not ours
    done = program(
        """
with publish_atomically(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), 9)
""",
        path,
    )
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    (left,) = leftovers(path)
    assert left.read_bytes() == b"half"


def test_two_writers_at_a_time_use_different_temporary_files(path: Path) -> None:
    with publish_atomically(path) as first, publish_atomically(path) as second:
        assert len(leftovers(path)) == 2
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666])
def test_the_mode_is_independent_of_the_umask(path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        with publish_atomically(path, mode=mode):
            (half,) = leftovers(path)
            assert stat.S_IMODE(half.stat().st_mode) == mode
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_file_and_directory_are_synced_in_the_order_that_makes_them_durable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def fsync(fd: int) -> None:
        calls.append("directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else f"file of {os.fstat(fd).st_size}")
        real_sync(fd)

    def replace(self: Path, target: Path) -> Path:
        calls.append("replace")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    with publish_atomically(path) as file:
        file.write(b"new")
    assert calls == ["file of 3", "replace", "directory"]


def test_a_failed_sync_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"), publish_atomically(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert leftovers(path) == []


def test_syncing_a_file_as_a_directory_is_an_error(path: Path) -> None:
    sync_directory(path.parent)
    with pytest.raises(NotADirectoryError):
        sync_directory(path)
