from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from nodelog.backoff import delays


def test_delays_double_up_to_the_limit() -> None:
    assert list(islice(delays(lambda: 1.0, first=0.5, limit=3), 5)) == [0.5, 1, 2, 3, 3]


@given(st.lists(st.floats(0, 1), min_size=20, max_size=20))
def test_jitter_takes_at_most_half_of_a_delay(draws: list[float]) -> None:
    longest = islice(delays(lambda: 1.0), 20)
    jittered = delays(iter(draws).__next__)
    assert all(most / 2 <= delay <= most for most, delay in zip(longest, jittered, strict=False))
