"""Unfinished lines: what of a log that ends in the middle of one is archived, and when."""

from __future__ import annotations

from tests.daemons.compressor.archiving import Place, lines

MIB = 1024 * 1024


def test_an_unfinished_line_waits_until_it_has_not_grown_for_a_cycle(place: Place) -> None:
    log = place.logs / "a.log"
    log.write_bytes(b"one\ntwo")
    place.cycle()
    assert place.members() == {"a.log": b"one\n"}
    with log.open("ab") as file:
        file.write(b" and")
    place.cycle()
    assert place.members() == {"a.log": b"one\n"}
    place.restart()  # the index remembers, for `--once`
    assert place.cycle().published
    assert place.members() == {"a.log": b"one\ntwo and"}
    assert not place.cycle().published
    with log.open("ab") as file:
        file.write(b" three")
    place.cycle()
    assert place.members() == {"a.log": b"one\n"}


def test_an_unfinished_line_of_more_than_a_mebibyte_does_not_wait(place: Place) -> None:
    data = b"one\n" + b"x" * (MIB + 1)
    (place.logs / "a.log").write_bytes(data)
    place.cycle()
    assert place.members() == {"a.log": data}


def test_an_unfinished_line_that_goes_on_behind_a_finished_piece_waits_again(place: Place) -> None:
    log = place.logs / "a.log"
    whole = lines(1, 2 * MIB - 1000)
    log.write_bytes(whole + b"x" * 2000)
    place.cycle()
    place.cycle()
    assert place.members() == {"a.log": whole + b"x" * 2000}
    with log.open("ab") as file:
        file.write(b"x")
    place.cycle()
    assert place.members() == {"a.log": whole}
    assert place.cases == []
    with log.open("ab") as file:
        file.write(b"\n")
    place.cycle()
    assert place.members() == {"a.log": log.read_bytes()}
    assert place.scrub().damage == ""
