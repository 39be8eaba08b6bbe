from array import array
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from nodelog.load.verifier.line_matcher import NUMBER_BITS
from nodelog.load.verifier.tally import Account, Finding, Tally

Lines = list[tuple[int, int]]
"""Connections and numbers, in the order of a file."""
FILE = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=40)


def account(files: list[Lines], sent: dict[int, int] | None = None, *, at_once: int = 7) -> Account:
    tally = Tally()
    for lines in files:
        tally.begin_file()
        keys = array("Q", [connection << NUMBER_BITS | number for connection, number in lines])
        for start in range(0, len(keys), at_once):
            tally.take(keys[start : start + at_once])
    return tally.account(sent)


def row(connection: int, *numbers: int) -> Lines:
    return [(connection, number) for number in numbers]


def counts(found: Account) -> tuple[int, int, int, int, int]:
    return (
        found.received,
        found.lost.lines,
        found.doubled.lines,
        found.reordered.lines,
        found.unknown.lines,
    )


def test_lines_in_their_order_are_received_and_nothing_else() -> None:
    assert counts(account([row(0, *range(20)) + row(1, *range(5))])) == (25, 0, 0, 0, 0)


def test_connections_may_stand_between_each_other() -> None:
    lines = [(connection, number) for number in range(50) for connection in range(3)]
    assert counts(account([lines])) == (150, 0, 0, 0, 0)


def test_a_gap_is_lost_and_told_as_a_row() -> None:
    found = account([row(4, 0, 1, 5, 6)])
    assert counts(found) == (4, 3, 0, 0, 0)
    assert found.lost.first == [Finding(4, 2, 4)]


def test_gaps_are_counted_by_connection() -> None:
    assert account([row(4, 0, 2, 4) + row(5, 1)]).lost.rows == {4: 2, 5: 1}


def test_what_is_lost_at_the_end_is_seen_if_it_is_known_what_was_sent() -> None:
    assert counts(account([row(0, 0, 1)], {0: 4, 1: 3})) == (2, 5, 0, 0, 0)
    assert counts(account([row(0, 0, 1)])) == (2, 0, 0, 0, 0)


def test_what_was_never_sent_is_unknown() -> None:
    found = account([row(0, 0, 1, 2) + row(9, 0)], {0: 2})
    assert counts(found) == (4, 0, 0, 0, 2)
    assert found.unknown.first == [Finding(0, 2, 2), Finding(9, 0, 0)]


def test_what_is_unsettled_is_neither_missed_nor_unknown() -> None:
    tally = Tally()
    tally.begin_file()
    tally.take([0, 1, 2, 4, 5])
    assert counts(tally.account({0: 2}, {0: 3})) == (5, 0, 0, 0, 1)


def test_a_line_counts_wherever_it_is() -> None:
    files = [row(0, 4, 5, 6), row(0, 0, 1), row(0, 7), row(0, 2, 3)]
    assert counts(account(files)) == (8, 0, 0, 0, 0)


def test_each_copy_beyond_the_first_is_doubled() -> None:
    found = account([row(0, 0, 1, 2, 1, 2, 3), row(0, 2)])
    assert counts(found) == (4, 0, 3, 0, 0)


def test_two_lines_swapped_are_one_reordered() -> None:
    found = account([row(0, 0, 2, 1, 3)])
    assert counts(found) == (4, 0, 0, 1, 0)
    assert found.reordered.first == [Finding(0, 1, 1)]


def test_a_block_that_comes_late_is_reordered() -> None:
    assert counts(account([row(0, *range(10), *range(20, 30), *range(10, 20))])) == (30, 0, 0, 10, 0)


def test_a_copy_that_comes_early_is_doubled_and_reorders_nothing() -> None:
    assert counts(account([row(0, 0, 1, 9, *range(2, 12))])) == (12, 0, 1, 0, 0)


def test_the_first_few_are_told_and_all_are_counted() -> None:
    found = account([row(0, *range(0, 100, 2))])
    assert len(found.lost.first) == 5
    assert found.lost.lines == 49


@given(st.lists(FILE, max_size=4), st.integers(1, 9), st.none() | st.integers(0, 14))
def test_spans_say_what_counting_one_by_one_says(files: list[Lines], at_once: int, end: int | None) -> None:
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
    assert counts(account(files, sent, at_once=at_once)) == (
        len(seen),
        len(expected - seen.keys()),
        seen.total() - len(seen),
        reordered,
        len(seen.keys() - expected),
    )
