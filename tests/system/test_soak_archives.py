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


def test_archives_hold_exactly_the_snapshots_through_restarts_and_kills(tmp_path: Path) -> None:
    with closing(ArchiveDay(tmp_path, 8, SIZE)) as day:
        day.run(30)
    assert day.counts["killed"]
    assert day.counts["restarted"]
    assert day.counts["read as a whole"] >= 2


def lost(logs: Path) -> None:
    """Remove a log behind its back."""
    (logs / "app.log").unlink()


def changed(logs: Path) -> None:
    """Change a byte."""
    with (logs / "app.log").open("r+b") as file:
        file.write(b"#")


def begun(logs: Path) -> None:
    """Have somebody leave a file."""
    (logs / ".all-logs.tar.gz.tmp-1-0").touch()


def disowned(logs: Path) -> None:
    """Damage the index."""
    (logs / "all-logs.tar.gz.index").write_text("")


@pytest.mark.parametrize(
    ("trick", "fault"),
    [
        (lost, "it has .* and should have"),
        (changed, "'app.log' has .* bytes"),
        (begun, "temporary files are left"),
        (disowned, "it has no index"),
    ],
)
def test_what_the_archive_should_not_have_is_a_fault(
    tmp_path: Path, trick: Callable[[Path], None], fault: str
) -> None:
    with closing(ArchiveDay(tmp_path, 1, SIZE)) as day:
        day.run(0)
        trick(tmp_path / "log")
        with pytest.raises(ArchiveFault, match=fault):
            day.check()


def test_a_sparse_log_that_changes_is_read_again_as_a_whole(tmp_path: Path) -> None:
    with closing(ArchiveDay(tmp_path, 1, SIZE)) as day:
        day.run(0)
        with (tmp_path / "log" / SPARSE).open("r+b") as file:
            file.seek(SIZE // 2)
            file.write(b"x")
        day.check()  # the archive is what it was, and so are its pieces
        with pytest.raises(ArchiveFault, match=f"{SPARSE} differs at byte 4194304"):
            day.check_all()


def test_torn_lines_and_lost_ones_of_a_busy_log_are_faults() -> None:
    line = b"line 0 of a log that is written to all the time\n"
    assert not SteadyWriter.fault(line, len(line))
    assert SteadyWriter.fault(line[:-1], 0) == "it ends within a line"
    assert SteadyWriter.fault(b"another line\n", 0) == "it contains bytes that were never written"
    assert SteadyWriter.fault(line, 1000) == f"it has {len(line)} bytes and had 1000 before"
