"""Every fault of a run's lines is found, and nothing else is reported."""

import gzip
import json
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog.load.line_format import LineFormat
from nodelog.load.verifier.verdict import SentError, Verdict, parse_sent, to_json, to_text, verify

FORMAT = LineFormat("run", 64)
CONNECTIONS, LINES = 4, 50
SENT = dict.fromkeys(range(CONNECTIONS), LINES)
GREETING = b"Sun Nov 22 16:07:11 UTC 2026 - Greetings from client-3\n"
PLACES = st.integers(0, CONNECTIONS * LINES - 1)


def ordinary() -> list[bytes]:
    """Return lines as a collector writes them: blocks of several lines per connection in turn."""
    keys = [(of, row * 5 + at) for row in range(LINES // 5) for of in range(CONNECTIONS) for at in range(5)]
    return [FORMAT.format_line(*key) for key in keys]


def verify_files(*files: bytes, sent: dict[int, int] | None = SENT) -> Verdict:
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"log-{number}" for number in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        return verify("run", paths, sent, lambda _path, _done: None)


def faults(verdict: Verdict) -> dict[str, int]:
    """Return the faults that it found, and foreign lines, without those that are 0."""
    names = ("lost", "doubled", "torn", "reordered", "unknown", "foreign")
    values = to_json(verdict)
    assert verdict.is_good == (not any(values[name] for name in names[:-1]) and values["received"] > 0)
    return {name: values[name] for name in names if values[name]}


def test_lines_as_they_were_sent_have_no_faults() -> None:
    assert faults(verify_files(b"".join(ordinary()))) == {}


@given(st.sets(PLACES, max_size=20))
def test_dropped_lines_are_lost(places: set[int]) -> None:
    lines = [line for place, line in enumerate(ordinary()) if place not in places]
    assert faults(verify_files(b"".join(lines))).pop("lost", 0) == len(places)
    assert faults(verify_files(b"".join(lines))).keys() <= {"lost"}


@given(st.lists(st.tuples(PLACES, PLACES), min_size=1, max_size=10))
def test_copied_lines_are_doubled_wherever_the_copies_are(copies: list[tuple[int, int]]) -> None:
    lines = ordinary()
    for which, where in copies:
        lines.insert(where, ordinary()[which])
    assert faults(verify_files(b"".join(lines))) == {"doubled": len(copies)}


@given(st.integers(0, CONNECTIONS - 1), st.integers(0, LINES - 2), st.integers(1, LINES))
def test_two_lines_swapped_are_reordered(connection: int, number: int, further: int) -> None:
    other = min(LINES - 1, number + further)
    lines = ordinary()
    first, second = (lines.index(FORMAT.format_line(connection, which)) for which in (number, other))
    lines[first], lines[second] = lines[second], lines[first]
    assert faults(verify_files(b"".join(lines))) == {"reordered": other - number}


@given(st.integers(0, CONNECTIONS * LINES - 2))
def test_swapped_lines_of_two_connections_are_no_fault(place: int) -> None:
    lines = ordinary()
    if lines[place][:14] == lines[place + 1][:14]:
        return
    lines[place], lines[place + 1] = lines[place + 1], lines[place]
    assert faults(verify_files(b"".join(lines))) == {}


@given(PLACES, st.integers(8, 55))
def test_a_line_torn_in_two_is_torn_and_lost(place: int, cut: int) -> None:
    lines = ordinary()
    lines[place] = lines[place][:cut] + b"\n" + lines[place][cut:]
    found = faults(verify_files(b"".join(lines)))
    assert found["lost"] == 1
    assert found["torn"] + found.get("foreign", 0) == 2
    assert found.keys() <= {"lost", "torn", "foreign"}


@given(PLACES, PLACES, st.integers(16, 50))
def test_a_line_mixed_from_two_is_torn_and_the_original_is_lost(one: int, other: int, cut: int) -> None:
    lines = ordinary()
    mixed = lines[one][:cut] + lines[other][cut:]
    expected = {"lost": 1, "doubled" if mixed == lines[other] else "torn": 1}
    if mixed == lines[one]:
        expected = {}
    lines[one] = mixed
    assert faults(verify_files(b"".join(lines))) == expected


@given(st.lists(st.integers(0, CONNECTIONS * LINES), max_size=3), st.booleans(), st.randoms())
def test_files_may_come_in_any_order_compressed_or_not(
    cuts: list[int], compressed: bool, order: Random
) -> None:
    bounds = [0, *sorted(cuts), CONNECTIONS * LINES]
    files = [b"".join(ordinary()[a:b]) for a, b in pairwise(bounds)]
    order.shuffle(files)
    if compressed:
        files[0] = gzip.compress(files[0])
    assert faults(verify_files(*files)) == {}


@given(st.lists(PLACES, min_size=1, max_size=20))
def test_foreign_lines_are_counted_and_ignored(places: list[int]) -> None:
    lines = ordinary()
    for place in places:
        lines.insert(place, GREETING)
    assert faults(verify_files(b"".join(lines))) == {"foreign": len(places)}


def test_without_the_number_sent_a_lost_end_goes_unnoticed_and_a_note_says_so() -> None:
    lines = b"".join(ordinary()[: -5 * CONNECTIONS])
    assert faults(verify_files(lines)) == {"lost": 5 * CONNECTIONS}
    verdict = verify_files(lines, sent=None)
    assert faults(verdict) == {}
    assert to_text(verdict)[-1].startswith("note:      how many were sent is not known")


def test_no_line_at_all_is_not_good() -> None:
    assert not verify_files(GREETING, sent=None).is_good


def test_the_report_shows_examples_of_each_fault() -> None:
    lines = ordinary()
    del lines[7]
    lines.append(lines[0])
    lines[3], lines[4] = lines[4], lines[3]
    lines.append(FORMAT.format_line(7, 7)[:40] + b"\x00\n")
    lines.append(FORMAT.format_line(0, LINES))
    verdict = verify_files(b"".join(lines))
    file = verdict.torn_examples[0].file
    assert to_text(verdict)[1:] == [
        "lost:      1",
        "           connection 1: line 2",
        "doubled:   1",
        "           connection 0: line 0",
        "torn:      1",
        rf"           {file} at byte 12800: <run 64> 0007 0000000007 ...............\x00",
        "reordered: 1",
        "           connection 0: line 3",
        "unknown:   1",
        "           connection 0: line 50",
        "           (received, but not among those that were sent)",
        "foreign:   0 lines of others",
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"run": "a"}', '{"run": "a", "sent": {"x": 1}}', "1"])
def test_anything_but_the_json_of_a_load_is_refused(text: str) -> None:
    with pytest.raises(SentError, match="it is not what nodelog load --json prints"):
        parse_sent(text)


def test_run_and_lines_are_read_from_the_json_of_a_load() -> None:
    assert parse_sent(json.dumps({"run": "ab", "sent": {"0": 5}, "more": 1})) == ("ab", {0: 5}, {})
