from nodeagent.supervision.restart_backoff import Backoff


def test_each_pause_is_twice_the_one_before_up_to_a_minute() -> None:
    backoff = Backoff()
    assert [backoff.after(0.1) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_five_minutes_of_life_begin_anew() -> None:
    backoff = Backoff()
    assert [backoff.after(lived) for lived in (1, 1, 299, 300, 1)] == [1, 2, 4, 1, 2]
