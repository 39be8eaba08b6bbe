"""Without the wheels of isal and zlib-ng, zlib makes the same archives, only slower."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.archive_contents import archive_contents, assert_archive_whole, log_contents
from tests.processes.logcd import ARCHIVE_NAME, run_logcd_once

from nodelog.archive.index import read_matching_index
from nodelogd.service.files.deflate import combine_crc32, crc32, crc32_combine, fast, small

if TYPE_CHECKING:
    from pathlib import Path

WHEELS = ("isal", "zlib_ng")


@pytest.fixture
def without(tmp_path: Path) -> Path:
    """Return a folder that hides the wheels when it is in PYTHONPATH."""
    folder = tmp_path / "hidden"
    for name in WHEELS:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise ImportError('no wheel')\n")
    return folder


def test_the_wheels_are_used_if_installed() -> None:
    assert (fast.__name__, small.__name__) == ("isal.isal_zlib", "zlib_ng.zlib_ng")


@given(st.binary(), st.binary())
def test_combined_checksums_equal_the_checksum_of_all_bytes(first: bytes, second: bytes) -> None:
    whole = zlib.crc32(first + second)
    for combine in (combine_crc32, crc32_combine):
        assert combine(crc32(first), crc32(second), len(second)) == whole


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**40))
def test_checksums_are_combined_as_by_isal_for_any_length(first: int, second: int, length: int) -> None:
    assert combine_crc32(first, second, length) == crc32_combine(first, second, length)


@pytest.mark.parametrize("hidden", [("isal",), ("zlib_ng",), WHEELS], ids="+".join)
def test_archives_made_without_wheels_are_whole_and_continued_with_them(
    hidden: tuple[str, ...], without: Path, logs: Path
) -> None:
    for name in set(WHEELS) - set(hidden):
        (without / name).rename(without / f"no-{name}")
    for trial, path in enumerate([without, None, without]):
        for name, size in (("large.log", 150_000), ("small.log", 10), ("other.log", 20)):
            with (logs / name).open("ab") as file:
                file.writelines(b"%d of %d\n" % (number, trial) for number in range(size))
        done = run_logcd_once(logs, **({"PYTHONPATH": str(path)} if path else {}))
        assert (done.returncode, done.stderr) == (0, "")
        assert archive_contents(logs / ARCHIVE_NAME, logs) == log_contents(logs)
        assert_archive_whole(logs / ARCHIVE_NAME)
        read_matching_index(logs / ARCHIVE_NAME)


def test_without_wheels_a_sealed_file_is_compressed(without: Path, tmp_path: Path) -> None:
    path = tmp_path / "node_log.1"
    text = b"".join(b"%d\n" % number for number in range(100_000))
    target = path.with_name(f"{path.name}.gz")
    for _ in range(2):  # the second time, it exists already
        path.write_bytes(text)
        command = [sys.executable, "-m", "nodelogd.collector.sealed.compression", str(path)]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(without)})
        assert gzip.decompress(target.read_bytes()) == text
        assert not path.exists()


def test_without_wheels_logd_prints_its_version(without: Path) -> None:
    command = [sys.executable, "-m", "nodelogd.collector.cli", "--version"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(without)}
    )
    assert done.stdout.startswith("logd")
