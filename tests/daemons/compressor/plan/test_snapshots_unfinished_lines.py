"""What is archived of a log that ends in an unfinished line, and when."""

from __future__ import annotations

from tests.daemons.compressor.workspace import Workspace, log_lines

MIB = 1024 * 1024


def test_an_unfinished_line_waits_until_it_has_not_grown_for_a_cycle(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    log.write_bytes(b"one\ntwo")
    workspace.update()
    assert workspace.members() == {"a.log": b"one\n"}
    with log.open("ab") as file:
        file.write(b" and")
    workspace.update()
    assert workspace.members() == {"a.log": b"one\n"}
    workspace.restart()  # the index remembers the length for `--once`
    assert workspace.update().published
    assert workspace.members() == {"a.log": b"one\ntwo and"}
    assert not workspace.update().published
    with log.open("ab") as file:
        file.write(b" three")
    workspace.update()
    assert workspace.members() == {"a.log": b"one\n"}


def test_an_unfinished_line_of_more_than_a_mebibyte_does_not_wait(workspace: Workspace) -> None:
    data = b"one\n" + b"x" * (MIB + 1)
    (workspace.logs / "a.log").write_bytes(data)
    workspace.update()
    assert workspace.members() == {"a.log": data}


def test_an_unfinished_line_that_grows_past_a_finished_piece_waits_again(workspace: Workspace) -> None:
    log = workspace.logs / "a.log"
    whole = log_lines(1, 2 * MIB - 1000)
    log.write_bytes(whole + b"x" * 2000)
    workspace.update()
    workspace.update()
    assert workspace.members() == {"a.log": whole + b"x" * 2000}
    with log.open("ab") as file:
        file.write(b"x")
    workspace.update()
    assert workspace.members() == {"a.log": whole}
    assert workspace.anomalies == []
    with log.open("ab") as file:
        file.write(b"\n")
    workspace.update()
    assert workspace.members() == {"a.log": log.read_bytes()}
    assert workspace.scrub().damage == ""
