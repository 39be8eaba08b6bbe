from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from nodelog.backoff import delays


def test_waits_double_up_to_the_limit() -> None:
    assert list(islice(delays(lambda: 1.0, first=0.5, most=3), 5)) == [0.5, 1, 2, 3, 3]


@given(st.lists(st.floats(0, 1), min_size=20, max_size=20))
def test_every_wait_is_between_half_and_all_of_its_limit(draws: list[float]) -> None:
    limits = islice(delays(lambda: 1.0), 20)
    waits = delays(iter(draws).__next__)
    assert all(limit / 2 <= wait <= limit for limit, wait in zip(limits, waits, strict=False))
