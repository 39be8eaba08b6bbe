import math

from hypothesis import given
from hypothesis import strategies as st

from nodelog.commands.multiline.record_joiner import RecordJoiner, RecordLimits, to_lines
from nodelog.commands.multiline.record_rules import parse_rule

LIMITS = RecordLimits(lines=3, size=20, seconds=2.0)
LINES = (
    b"Traceback (most recent call last):",
    b"  File",
    b"ValueError: 1",
    b"",
    b"During handling of the above exception, another exception occurred:",
    b"Caused by: x",
    b"a line\r",
)


def joiner_for(rule: str, limits: RecordLimits = LIMITS) -> RecordJoiner:
    return RecordJoiner(parse_rule(rule)(), limits)


def test_a_record_ends_after_the_most_lines() -> None:
    joiner = joiner_for("indent")
    assert joiner.feed(b"a\n 1\n 2\n 3\n 4\n", 0) == [b"a\n 1\n 2\n"]
    assert joiner.finish() == [b" 3\n 4\n"]


def test_a_record_ends_before_it_has_more_than_the_most_bytes() -> None:
    joiner = joiner_for("indent")
    records = [*joiner.feed(b"12345\n 234567\n 2345\n 6\n", 0), *joiner.finish()]
    assert records == [b"12345\n 234567\n", b" 2345\n 6\n"]
    assert [len(to_lines([record])) - 1 for record in records] == [14, 9]


def test_a_line_that_is_too_long_for_a_record_passes_alone() -> None:
    joiner = joiner_for("indent")
    assert joiner.feed(b"x" * 50 + b"\n 1\n", 0) == [b"x" * 50 + b"\n"]
    assert joiner.finish() == [b" 1\n"]


def test_an_open_record_is_complete_when_its_time_is_over() -> None:
    joiner = joiner_for("indent")
    assert joiner.deadline == math.inf
    assert joiner.feed(b"a\n", 10.0) == []
    assert joiner.feed(b" 1\n", 11.0) == []
    assert joiner.deadline == 12.0
    assert joiner.expire(11.9) == []
    assert joiner.expire(12.0) == [b"a\n 1\n"]
    assert joiner.deadline == math.inf


def test_after_its_time_a_traceback_does_not_take_the_next_line() -> None:
    joiner = joiner_for("python", RecordLimits(lines=9, size=100, seconds=2.0))
    assert joiner.feed(b"Traceback (most recent call last):\n  File\n", 0) == []
    assert len(joiner.expire(2.0)) == 1
    assert joiner.feed(b"another line\n", 3.0) == [b"another line\n"]


def test_a_line_outside_of_a_traceback_never_waits() -> None:
    assert joiner_for("python").feed(b"one\n\ntwo\n", 0) == [b"one\n", b"\n", b"two\n"]


def test_records_become_lines_as_the_shipper_makes_them() -> None:
    assert to_lines([b"one\n", b"a\n b\n", b"\n"]) == b"one\na\\n b\n\n"


@given(
    rule=st.sampled_from(["python", "java", "indent", "^a"]),
    lines=st.lists(st.sampled_from(LINES), min_size=1, max_size=30),
    cut=st.integers(0, 30),
    now=st.floats(0, 5),
)
def test_nothing_is_lost_doubled_or_reordered(rule: str, lines: list[bytes], cut: int, now: float) -> None:
    joiner = joiner_for(rule, RecordLimits(lines=4, size=120, seconds=2.0))
    parts = [b"".join(line + b"\n" for line in part) for part in (lines[:cut], lines[cut:]) if part]
    records = [record for part in parts for record in [*joiner.feed(part, 0.0), *joiner.expire(now)]]
    records += joiner.finish()
    assert b"".join(records) == b"".join(parts)
    assert all(record.count(b"\n") <= 4 for record in records)
