from __future__ import annotations

import errno
import gzip
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nodelogd.collector.sealed.compression import CHUNK, StoppedError, compress

MOMENT = 1_795_352_400  # 2026-11-22 13:00 UTC
LINES = os.urandom(1000).hex().encode() + b"\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "node_log-20261122T130000Z-00000042.log"
    path.write_bytes(LINES)
    os.utime(path, (MOMENT, MOMENT))
    return path


def packed(source: Path) -> Path:
    return source.with_name(f"{source.name}.gz")


def program(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "nodelogd.collector.sealed.compression", *map(str, arguments)]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_file_becomes_a_gz_of_the_same_bytes(source: Path, size: int) -> None:
    data = (LINES * (size // len(LINES) + 1))[:size]
    source.write_bytes(data)
    compress(source)
    assert [path.name for path in source.parent.iterdir()] == [packed(source).name]
    assert subprocess.check_output(["gzip", "-dc", packed(source)]) == data


@pytest.mark.parametrize("mode", [0o640, 0o644, 0o600])
def test_name_time_and_mode_are_kept(source: Path, mode: int) -> None:
    source.chmod(mode)
    compress(source)
    status = packed(source).stat()
    assert status.st_mtime == MOMENT
    assert stat.S_IMODE(status.st_mode) == mode
    assert source.name.encode() in packed(source).read_bytes()[:100]
    with gzip.open(packed(source)) as file:
        file.read(1)
        assert file.mtime == MOMENT


@pytest.mark.parametrize("time", [-1, 2**33])
def test_a_time_that_a_gzip_header_cannot_hold_is_accepted(source: Path, time: int) -> None:
    os.utime(source, (time, time))
    compress(source)
    assert gzip.decompress(packed(source).read_bytes()) == LINES
    assert packed(source).stat().st_mtime == time


@pytest.mark.parametrize("level", [1, 9])
def test_a_complete_gz_beside_its_source_is_kept(source: Path, level: int) -> None:
    whole = gzip.compress(LINES, level)
    packed(source).write_bytes(whole)
    compress(source)
    assert not source.exists()
    assert packed(source).read_bytes() == whole
    assert packed(source).stat().st_mtime == MOMENT


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"no gzip",
        gzip.compress(LINES)[:-1],
        gzip.compress(LINES)[:500],
        gzip.compress(LINES)[:-8] + bytes(8),
        gzip.compress(LINES[:-1]),
        gzip.compress(LINES + b"more\n"),
        gzip.compress(LINES.swapcase()),
        gzip.compress(LINES) + b"garbage",
    ],
)
def test_a_damaged_gz_beside_its_source_is_rebuilt(source: Path, damaged: bytes) -> None:
    packed(source).write_bytes(damaged)
    compress(source)
    assert not source.exists()
    assert gzip.decompress(packed(source).read_bytes()) == LINES


def test_a_full_disk_leaves_the_source(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        compress(source)
    assert [path.name for path in source.parent.iterdir()] == [source.name]
    assert source.read_bytes() == LINES


def test_an_unreadable_source_leaves_both_files(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(source).write_bytes(b"damaged")

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", fails)
        with pytest.raises(OSError, match="Input/output error"):
            compress(source)
    assert source.read_bytes() == LINES
    assert packed(source).read_bytes() == b"damaged"


@pytest.mark.parametrize("packed_before", [b"", gzip.compress(LINES)])
def test_a_stopped_compression_leaves_everything_unchanged(source: Path, packed_before: bytes) -> None:
    if packed_before:
        packed(source).write_bytes(packed_before)
    before = {path: path.read_bytes() for path in source.parent.iterdir()}
    with pytest.raises(StoppedError):
        compress(source, is_stopped=lambda: True)
    assert {path: path.read_bytes() for path in source.parent.iterdir()} == before


def test_the_program_compresses_one_file(source: Path) -> None:
    subprocess.run(program(source), check=True)
    assert gzip.decompress(packed(source).read_bytes()) == LINES


def test_the_program_is_silent_about_a_file_that_was_removed_meanwhile(tmp_path: Path) -> None:
    done = subprocess.run(program(tmp_path / "gone"), capture_output=True, check=True)
    assert done.stderr == b""


def test_the_program_reports_an_error_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(program(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Is a directory" in done.stderr


def test_the_program_stops_on_sigterm_and_leaves_the_source(source: Path) -> None:
    with source.open("wb") as file:
        file.truncate(10**11)  # takes minutes to compress
    child = subprocess.Popen(program(source), stderr=subprocess.PIPE)
    with child:
        while not list(source.parent.glob(".*.tmp-*")):
            assert child.poll() is None
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 19  # the collector itself has priority
        child.terminate()
        assert child.wait(30) == 128 + signal.SIGTERM
        assert child.stderr is not None
        assert child.stderr.read() == b""
    assert [path.name for path in source.parent.iterdir()] == [source.name]
