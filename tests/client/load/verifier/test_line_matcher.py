import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog.load.line_format import LineFormat
from nodelog.load.verifier.line_matcher import NUMBER_BITS, LineMatcher

FORMAT = LineFormat("run", 64)
ORDINARY = [FORMAT.format_line(connection, number) for number in range(40) for connection in range(5)]
GREETING = b"Sun Nov 22 16:07:11 UTC 2026 - Greetings from client-3\n"
SAME_LENGTH = b"a foreign line that is as long as one of the run".ljust(63) + b"\n"
OTHERS = [
    GREETING,
    SAME_LENGTH,
    b"\n",
    b"\r\r\n",
    LineFormat("run2", 64).format_line(0, 0),
    b"\0" * 63 + b"\n",
]


def match(text: bytes) -> tuple[list[bytes], LineMatcher]:
    """Return the lines that the matcher finds, rebuilt from their keys."""
    matcher = LineMatcher("run")
    found = [key for keys in matcher.match(text, "file", 1000) for key in keys]
    return [FORMAT.format_line(key >> NUMBER_BITS, key & (1 << NUMBER_BITS) - 1) for key in found], matcher


def test_intact_lines_are_found_in_order() -> None:
    found, matcher = match(b"".join(ORDINARY))
    assert found == ORDINARY
    assert (matcher.torn, matcher.foreign) == (0, 0)


@given(st.lists(st.sampled_from(OTHERS), max_size=30), st.randoms())
def test_foreign_lines_are_counted_wherever_they_are(others: list[bytes], order: random.Random) -> None:
    lines = [*ORDINARY]
    for line in others:
        lines.insert(order.randrange(len(lines) + 1), line)
    found, matcher = match(b"".join(lines))
    assert found == ORDINARY
    assert (matcher.torn, matcher.foreign) == (0, len(others))


@given(st.integers(0, 199), st.integers(5, 58))
def test_a_line_torn_in_two_is_torn_at_least_once(which: int, cut: int) -> None:
    line = ORDINARY[which]
    text = b"".join([*ORDINARY[:which], line[:cut], b"\n", line[cut:], *ORDINARY[which + 1 :]])
    found, matcher = match(text)
    assert found == [*ORDINARY[:which], *ORDINARY[which + 1 :]]
    assert 1 <= matcher.torn <= 2
    assert matcher.torn + matcher.foreign == 2
    assert matcher.torn_examples[0].offset in (1000 + 64 * which, 1000 + 64 * which + cut + 1)


@given(st.integers(0, 198), st.integers(0, 62), st.integers(1, 63))
def test_two_lines_that_ran_together_are_torn(which: int, at: int, count: int) -> None:
    """Even if what is left is exactly as long as a line."""
    text = bytearray(b"".join(ORDINARY))
    del text[64 * which + at : 64 * which + at + count]
    found, matcher = match(bytes(text))
    whole = [line for line in ORDINARY if line in (ORDINARY[which], ORDINARY[which + 1])]
    assert [line for line in ORDINARY if line not in whole] == [line for line in found if line not in whole]
    assert len(found) in (198, 199)
    assert matcher.torn + matcher.foreign in (1, 2)


@given(st.integers(0, 199), st.integers(0, 199), st.integers(1, 63))
def test_a_line_mixed_from_two_is_torn(one: int, other: int, cut: int) -> None:
    mixed = ORDINARY[one][:cut] + ORDINARY[other][cut:]
    found, matcher = match(b"".join([*ORDINARY, mixed]))
    if mixed in ORDINARY:
        assert found == [*ORDINARY, mixed]
    else:
        assert found == ORDINARY
        assert matcher.torn == 1
        assert matcher.torn_examples[0].text == mixed[:-1]


@given(st.integers(0, 12_799), st.binary(min_size=1, max_size=200))
def test_bytes_written_over_lines_affect_no_other_line(at: int, noise: bytes) -> None:
    text = b"".join(ORDINARY)
    damaged = (text[:at] + noise + text[at + len(noise) :])[: len(text) - 1] + b"\n"
    found, _ = match(damaged)
    affected = range(
        at // 64, (at + len(noise)) // 64 + 1
    )  # and the next one, without the line feed before it
    safe = [line for which, line in enumerate(ORDINARY) if which not in affected]
    assert [line for line in found if line in safe] == safe
    assert set(found) <= set(ORDINARY)


def test_an_invalid_digit_is_torn_even_if_its_letter_agrees() -> None:
    line = bytearray(FORMAT.format_line(0, 0))
    line[FORMAT.digit_positions[3]] = line[FORMAT.letter_positions[3]] = ord(" ")
    found, matcher = match(ORDINARY[0] + bytes(line))
    assert found == ORDINARY[:1]
    assert matcher.torn == 1


def test_the_line_size_is_detected_by_an_intact_line() -> None:
    torn = [b"<run 9999999> \n", b"<run 55> no\n", b"<run 40> 1\n", ORDINARY[0][:20] + b"\n"]
    found, matcher = match(b"".join(torn + ORDINARY))
    assert found == ORDINARY
    assert matcher.torn == len(torn)


def test_without_an_intact_line_the_torn_pieces_are_counted() -> None:
    found, matcher = match(GREETING + ORDINARY[3][:40] + b"\n")
    assert found == []
    assert (matcher.torn, matcher.foreign) == (1, 1)
    assert matcher.torn_examples[0].offset == 1000 + len(GREETING)


def test_the_end_of_a_file_without_a_line_feed_is_torn_or_foreign() -> None:
    matcher = LineMatcher("run")
    matcher.match_unterminated(ORDINARY[0][:30], "file", 5)
    matcher.match_unterminated(b"Sun Nov", "file", 5)
    assert (matcher.torn, matcher.foreign) == (1, 1)


@pytest.mark.parametrize("size", [55, 64, 100, 128, 1024, 70_000, 1 << 20])
def test_lines_of_every_size_are_found_over_many_tables(size: int) -> None:
    line_format = LineFormat("run", size)
    count = max(3, 3_000_000 // size)
    text = b"".join(line_format.format_line(7, number) for number in range(count))
    matcher = LineMatcher("run")
    found = [key for keys in matcher.match(text, "file", 0) for key in keys]
    assert found == [7 << NUMBER_BITS | number for number in range(count)]
