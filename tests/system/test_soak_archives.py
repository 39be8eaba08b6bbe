"""The archives of `make soak`, for a few cycles instead of 1,440; and that it detects faults."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.soak.archive_day import ArchiveDay, ArchiveFault
from tests.soak.changing_logs import SPARSE, SteadyWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = 8 << 20  # bytes of the sparse log


def test_archives_contain_exactly_the_snapshots_through_restarts_and_kills(tmp_path: Path) -> None:
    with closing(ArchiveDay(tmp_path, 8, SIZE)) as day:
        day.run(30)
    assert day.counts["killed"]
    assert day.counts["restarted"]
    assert day.counts["read as a whole"] >= 2


def remove_log(logs: Path) -> None:
    """Remove a log without a cycle."""
    (logs / "app.log").unlink()


def change_log(logs: Path) -> None:
    """Change a byte of a log."""
    with (logs / "app.log").open("r+b") as file:
        file.write(b"#")


def leave_temporary_file(logs: Path) -> None:
    """Create a temporary file."""
    (logs / ".all-logs.tar.gz.tmp-1-0").touch()


def damage_index(logs: Path) -> None:
    """Damage the index."""
    (logs / "all-logs.tar.gz.index").write_text("")


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (remove_log, "it has .* and should have"),
        (change_log, "'app.log' has .* bytes"),
        (leave_temporary_file, "temporary files are left"),
        (damage_index, "it has no index"),
    ],
)
def test_a_wrong_archive_is_a_fault(tmp_path: Path, damage: Callable[[Path], None], fault: str) -> None:
    with closing(ArchiveDay(tmp_path, 1, SIZE)) as day:
        day.run(0)
        damage(tmp_path / "log")
        with pytest.raises(ArchiveFault, match=fault):
            day.check()


def test_a_changed_sparse_log_is_found_when_everything_is_read(tmp_path: Path) -> None:
    with closing(ArchiveDay(tmp_path, 1, SIZE)) as day:
        day.run(0)
        with (tmp_path / "log" / SPARSE).open("r+b") as file:
            file.seek(SIZE // 2)
            file.write(b"x")
        day.check()  # the archive and its pieces are unchanged
        with pytest.raises(ArchiveFault, match=f"{SPARSE} differs at byte 4194304"):
            day.check_all()


def test_torn_and_lost_lines_of_the_busy_log_are_faults() -> None:
    line = b"line 0 of a log that is written to all the time\n"
    assert not SteadyWriter.fault(line, len(line))
    assert SteadyWriter.fault(line[:-1], 0) == "it ends within a line"
    assert SteadyWriter.fault(b"another line\n", 0) == "it contains bytes that were never written"
    assert SteadyWriter.fault(line, 1000) == f"it has {len(line)} bytes and had 1000 before"
