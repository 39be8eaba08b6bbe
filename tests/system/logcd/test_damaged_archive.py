"""An index or an archive that is not as logcd wrote it is detected and rebuilt."""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING

from tests.archive_contents import archive_contents, assert_archive_whole, log_contents
from tests.in_process_compressor import new_compressor, run_cycle
from tests.processes.logcd import ARCHIVE_NAME

from nodelog.archive.index import GZIP_END, index_path, read_matching_index
from nodelogd.compressor.compressor import CycleResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from tests.processes.logcd import StartLogcd

LINES = 300_000
ROUNDS = 7


def write_logs(logs: Path) -> dict[str, bytes]:
    """Write a large log and small ones."""
    text = {f"{name}.log": b"%d of a small log\n" % name for name in range(5)}
    text["large.log"] = b"".join(b"%d of a large log\n" % number for number in range(LINES))
    for name, content in text.items():
        (logs / name).write_bytes(content)
    return text


def delete(index: Path, _: random.Random) -> None:
    index.unlink()


def exchange(index: Path, dice: random.Random) -> None:
    """Replace the index by that of an earlier archive of the same logs."""
    logs = index.parent
    with (logs / "large.log").open("ab") as file:
        file.write(b"another line %d\n" % dice.randrange(10**6))
    other = index.with_name("kept")
    shutil.copy(index, other)
    assert run_cycle(new_compressor(logs)) is CycleResult.PUBLISHED
    other.replace(index)


def damage(index: Path, dice: random.Random) -> None:
    data = bytearray(index.read_bytes())
    if dice.random() < 1 / 3:
        data = data[: dice.randrange(len(data))]
    else:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    index.write_bytes(data)


def test_a_missing_foreign_or_damaged_index_costs_only_a_full_pass(
    logs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dice = random.Random(7)  # noqa: S311 (chooses the damage)
    write_logs(logs)
    archive = logs / ARCHIVE_NAME
    assert run_cycle(new_compressor(logs)) is CycleResult.PUBLISHED
    break_index: Callable[[Path, random.Random], None]
    for break_index in [delete, exchange, *[damage] * 2] * ROUNDS:
        break_index(index_path(archive), dice)
        with (logs / "0.log").open("ab") as file:
            file.write(b"one more\n")
        caplog.clear()
        assert run_cycle(new_compressor(logs)) is CycleResult.PUBLISHED
        assert ["everything is compressed again" in message for message in caplog.messages] == [True]
        assert archive_contents(archive, logs) == log_contents(logs)
        assert_archive_whole(archive)
        read_matching_index(archive)


def test_a_scrub_finds_a_damaged_archive_and_it_is_rebuilt(
    logs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dice = random.Random(8)  # noqa: S311 (chooses the damage)
    text = write_logs(logs)
    archive = logs / ARCHIVE_NAME
    assert run_cycle(new_compressor(logs)) is CycleResult.PUBLISHED
    for _ in range(3 * ROUNDS):
        kept = archive.stat()
        with archive.open("r+b") as file:
            at = dice.randrange(kept.st_size - GZIP_END)
            file.seek(at)
            (byte,) = file.read(1)
            file.seek(at)
            file.write(bytes([byte ^ 1 << dice.randrange(8)]))
        os.utime(archive, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # a rotting disk changes no times
        os.utime(logs / f".{ARCHIVE_NAME}.scrubbed", (0, 0))
        caplog.clear()
        assert run_cycle(new_compressor(logs)) is CycleResult.PUBLISHED
        assert f"{archive} is damaged: " in caplog.text
        assert archive_contents(archive, logs) == text
        assert_archive_whole(archive)


def test_a_scrub_finds_a_log_that_was_edited_in_the_middle(logs: Path, logcd: StartLogcd) -> None:
    text = write_logs(logs)
    daemon = logcd("--scrub=1s")
    path, before = logs / "large.log", (logs / "large.log").stat()
    edited = text["large.log"].replace(b"\n5000 of", b"\n6000 of")
    path.write_bytes(edited)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(logs / f".{ARCHIVE_NAME}.scrubbed", (0, 0))
    daemon.settle()
    assert daemon.contents()["large.log"] == edited
    assert daemon.metric("nodelog_archive_scrubs_total", result="edited") == 1
    assert daemon.metric("nodelog_archive_unusual_files_total", case="edited") == 1
