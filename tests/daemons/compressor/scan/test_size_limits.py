"""What exceeds a limit is left out and named; the rest is archived."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nodelogd.compressor.scan.discovery import ScanSettings, find_log_files
from nodelogd.compressor.scan.size_limits import SizeLimits

if TYPE_CHECKING:
    from pathlib import Path

SIZES = {"a.log": 5000, "b.log": 70_000, "c.log": 9000, "d.log": 100}


def found(logs: Path, limits: SizeLimits) -> tuple[list[str], dict[str, str]]:
    """Return the names that are archived, and those that are left out with the reason."""
    for name, size in SIZES.items():
        (logs / name).write_bytes(b"x" * size)
    left_out: dict[str, str] = {}
    files = find_log_files(
        ScanSettings(directory=os.fsencode(logs), limits=limits),
        lambda _path, _error: None,
        lambda name, why: left_out.update({os.path.basename(os.fsdecode(name)): why}),
    )
    return [os.path.basename(file.name) for file in files], left_out


def test_without_limits_everything_is_archived(logs: Path) -> None:
    assert found(logs, SizeLimits()) == (list(SIZES), {})


def test_a_file_that_is_too_large_is_left_out(logs: Path) -> None:
    names, left_out = found(logs, SizeLimits(file=9000))
    assert names == ["a.log", "c.log", "d.log"]
    assert left_out == {"b.log": "has 70000 bytes, --max-file allows 9000"}


def test_the_largest_files_are_left_out_until_the_rest_fits(logs: Path) -> None:
    names, left_out = found(logs, SizeLimits(total=6000))
    assert names == ["a.log", "d.log"]
    assert left_out == {
        "b.log": "has 70000 bytes, and --max-total allows 6000 for all files together",
        "c.log": "has 9000 bytes, and --max-total allows 6000 for all files together",
    }


def test_holes_do_not_count(logs: Path) -> None:
    with (logs / "e.log").open("wb") as file:
        file.truncate(2**40)
    names, left_out = found(logs, SizeLimits(file=70_000, total=100_000))
    assert names == [*SIZES, "e.log"]
    assert left_out == {}


def test_several_names_of_a_file_count_once(logs: Path) -> None:
    (logs / "b.log").write_bytes(b"")
    for number in range(20):
        (logs / f"b{number}.log").hardlink_to(logs / "b.log")
    names, left_out = found(logs, SizeLimits(total=90_000))
    assert len(names) == len(SIZES) + 20
    assert left_out == {}
