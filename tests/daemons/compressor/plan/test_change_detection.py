"""Only files that have changed, or whose times prove nothing, are read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.daemons.compressor.workspace import log_lines

if TYPE_CHECKING:
    from tests.daemons.compressor.workspace import Workspace

    from nodelogd.compressor.scan.listing import LogFile


def test_a_log_that_was_young_at_its_snapshot_is_read_once(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(log_lines(1, 300_000))
    workspace.update()
    opened: list[str] = []

    def open_file(file: LogFile) -> int:
        opened.append(file.name)
        return workspace.open(file)

    workspace.open_file = open_file
    now = (workspace.logs / "a.log").stat().st_ctime
    while time.time() < now + 0.1:
        workspace.update()
    opened.clear()
    assert not workspace.update().published
    assert opened == []


def test_only_the_changed_log_of_a_group_is_read(workspace: Workspace) -> None:
    for number in range(20):
        (workspace.logs / f"{number:02}.log").write_bytes(log_lines(number, 3000))
    workspace.update()
    while time.time() < (workspace.logs / "19.log").stat().st_ctime + 0.1:
        workspace.update()  # until their times prove that they are unchanged
    for more in (b"more\n", b"and more\n"):
        with (workspace.logs / "07.log").open("ab") as log:
            log.write(more)
        report = workspace.update()
        assert report.published
        assert report.bytes_read < 15_000  # one of the twenty is read three times
        assert workspace.members() == workspace.contents()
