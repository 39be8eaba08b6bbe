from array import array
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from nodelog.load.verifier.line_matcher import NUMBER_BITS
from nodelog.load.verifier.tally import LineCounts, LineRange, Tally

Lines = list[tuple[int, int]]
"""Connections and numbers, in the order of a file."""
FILE = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=40)


def count_lines(files: list[Lines], sent: dict[int, int] | None = None, *, at_once: int = 7) -> LineCounts:
    tally = Tally()
    for lines in files:
        tally.begin_file()
        keys = array("Q", [connection << NUMBER_BITS | number for connection, number in lines])
        for start in range(0, len(keys), at_once):
            tally.add(keys[start : start + at_once])
    return tally.count(sent)


def lines_of(connection: int, *numbers: int) -> Lines:
    return [(connection, number) for number in numbers]


def counts(found: LineCounts) -> tuple[int, int, int, int, int]:
    return (
        found.received,
        found.lost.lines,
        found.doubled.lines,
        found.reordered.lines,
        found.unknown.lines,
    )


def test_lines_in_order_are_received_without_faults() -> None:
    assert counts(count_lines([lines_of(0, *range(20)) + lines_of(1, *range(5))])) == (25, 0, 0, 0, 0)


def test_lines_of_connections_may_alternate() -> None:
    lines = [(connection, number) for number in range(50) for connection in range(3)]
    assert counts(count_lines([lines])) == (150, 0, 0, 0, 0)


def test_a_gap_is_lost_and_reported_as_a_range() -> None:
    found = count_lines([lines_of(4, 0, 1, 5, 6)])
    assert counts(found) == (4, 3, 0, 0, 0)
    assert found.lost.examples == [LineRange(4, 2, 4)]


def test_gaps_are_counted_by_connection() -> None:
    assert count_lines([lines_of(4, 0, 2, 4) + lines_of(5, 1)]).lost.ranges == {4: 2, 5: 1}


def test_lines_lost_at_the_end_are_found_if_the_number_sent_is_known() -> None:
    assert counts(count_lines([lines_of(0, 0, 1)], {0: 4, 1: 3})) == (2, 5, 0, 0, 0)
    assert counts(count_lines([lines_of(0, 0, 1)])) == (2, 0, 0, 0, 0)


def test_lines_that_were_never_sent_are_unknown() -> None:
    found = count_lines([lines_of(0, 0, 1, 2) + lines_of(9, 0)], {0: 2})
    assert counts(found) == (4, 0, 0, 0, 2)
    assert found.unknown.examples == [LineRange(0, 2, 2), LineRange(9, 0, 0)]


def test_unacknowledged_lines_are_neither_lost_nor_unknown() -> None:
    tally = Tally()
    tally.begin_file()
    tally.add([0, 1, 2, 4, 5])
    assert counts(tally.count({0: 2}, {0: 3})) == (5, 0, 0, 0, 1)


def test_a_line_counts_in_whichever_file_it_is() -> None:
    files = [lines_of(0, 4, 5, 6), lines_of(0, 0, 1), lines_of(0, 7), lines_of(0, 2, 3)]
    assert counts(count_lines(files)) == (8, 0, 0, 0, 0)


def test_each_copy_beyond_the_first_is_doubled() -> None:
    found = count_lines([lines_of(0, 0, 1, 2, 1, 2, 3), lines_of(0, 2)])
    assert counts(found) == (4, 0, 3, 0, 0)


def test_two_lines_swapped_are_one_reordered() -> None:
    found = count_lines([lines_of(0, 0, 2, 1, 3)])
    assert counts(found) == (4, 0, 0, 1, 0)
    assert found.reordered.examples == [LineRange(0, 1, 1)]


def test_a_block_that_comes_late_is_reordered() -> None:
    assert counts(count_lines([lines_of(0, *range(10), *range(20, 30), *range(10, 20))])) == (30, 0, 0, 10, 0)


def test_a_copy_that_comes_early_is_doubled_and_reorders_nothing() -> None:
    assert counts(count_lines([lines_of(0, 0, 1, 9, *range(2, 12))])) == (12, 0, 1, 0, 0)


def test_a_few_examples_are_kept_and_all_lines_are_counted() -> None:
    found = count_lines([lines_of(0, *range(0, 100, 2))])
    assert len(found.lost.examples) == 5
    assert found.lost.lines == 49


@given(st.lists(FILE, max_size=4), st.integers(1, 9), st.none() | st.integers(0, 14))
def test_spans_give_the_same_result_as_counting_line_by_line(
    files: list[Lines], at_once: int, end: int | None
) -> None:
    sent = None if end is None else dict.fromkeys(range(3), end)
    seen = Counter(line for lines in files for line in lines)
    ends = sent or {of: max(number for which, number in seen if which == of) + 1 for of, _ in seen}
    if end == 0:
        ends = dict.fromkeys(range(3), 0)
    expected = {(of, number) for of, stop in ends.items() for number in range(stop)}
    reordered = 0
    for lines in files:
        highest: dict[int, int] = {}
        for connection, number in lines:
            if seen[connection, number] == 1:
                reordered += number < highest.get(connection, -1)
                highest[connection] = max(number, highest.get(connection, -1))
    assert counts(count_lines(files, sent, at_once=at_once)) == (
        len(seen),
        len(expected - seen.keys()),
        seen.total() - len(seen),
        reordered,
        len(seen.keys() - expected),
    )
