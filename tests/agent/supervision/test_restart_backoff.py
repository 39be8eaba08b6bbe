from nodeagent.supervision.restart_backoff import RestartBackoff


def test_the_delay_doubles_up_to_a_minute() -> None:
    backoff = RestartBackoff()
    assert [backoff.delay_after(0.1) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_an_uptime_of_five_minutes_starts_over() -> None:
    backoff = RestartBackoff()
    assert [backoff.delay_after(uptime) for uptime in (1, 1, 299, 300, 1)] == [1, 2, 4, 1, 2]
