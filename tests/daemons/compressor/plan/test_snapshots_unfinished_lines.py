"""What is archived of a log that ends in an unfinished line, and when."""

from __future__ import annotations

from tests.daemons.compressor.workspace import Workspace, log_lines

MIB = 1024 * 1024


def test_an_unfinished_line_waits_for_one_cycle(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(b"one\ntwo")
    workspace.update()
    assert workspace.members() == {"a.log": b"one\n"}
    workspace.restart()  # the index remembers the length for `--once`
    with log.open("ab") as file:
        file.write(b" and")
    workspace.update()
    assert workspace.members() == {"a.log": b"one\ntwo and"}
    assert not workspace.update().published
    with log.open("ab") as file:
        file.write(b" three")
    workspace.update()
    assert workspace.members() == {"a.log": b"one\ntwo and"}
    workspace.update()
    assert workspace.members() == {"a.log": b"one\ntwo and three"}


def test_if_no_other_cycle_follows_nothing_waits(workspace: Workspace) -> None:
    (workspace.logs / "a.log").write_bytes(b"one\npanic: out of memory")
    workspace.lines_wait = False
    workspace.update()
    assert workspace.members() == workspace.contents()


def test_a_progress_log_without_line_ends_is_never_two_cycles_behind(workspace: Workspace) -> None:
    log = workspace.logs / "progress.log"
    sizes = [0, 0]
    for _ in range(6):
        with log.open("ab") as file:
            file.write(b"." * 40_000 + b"\r")
        sizes.append(log.stat().st_size)
        workspace.update()
        assert len(workspace.members()[log.name]) >= sizes[-3]


def test_an_unfinished_line_of_more_than_a_mebibyte_does_not_wait(workspace: Workspace) -> None:
    data = b"one\n" + b"x" * (MIB + 1)
    (workspace.logs / "a.log").write_bytes(data)
    workspace.update()
    assert workspace.members() == {"a.log": data}


def test_an_unfinished_line_that_was_archived_is_not_taken_back(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    whole = log_lines(1, 2 * MIB - 1000)
    log.write_bytes(whole + b"x" * 2000)
    workspace.update()
    workspace.update()
    assert workspace.members() == {"a.log": whole + b"x" * 2000}
    with log.open("ab") as file:
        file.write(b"x")
    workspace.update()
    assert workspace.members() == {"a.log": whole + b"x" * 2000}
    assert workspace.anomalies == []
    with log.open("ab") as file:
        file.write(b"\n")
    workspace.update()
    assert workspace.members() == {"a.log": log.read_bytes()}
    assert workspace.scrub().damage == ""
