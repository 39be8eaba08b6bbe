import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog.load.generator.settings import Settings

RATED = st.builds(
    Settings,
    run=st.just("run"),
    connections=st.integers(1, 30),
    write_size=st.sampled_from([0, 128, 1000, 65536]),
    rate=st.integers(1, 10**7),
    total=st.none() | st.integers(1, 10**6),
)


def test_a_write_is_whole_lines() -> None:
    assert Settings(run="run").write_lines == 512
    assert Settings(run="run", line_size=100).write_lines == 655
    assert Settings(run="run", write_size=0).write_lines == 1


@given(st.integers(1, 40), st.data())
def test_processes_share_the_connections(connections: int, data: st.DataObject) -> None:
    processes = data.draw(st.integers(1, connections))
    settings = Settings(run="run", connections=connections, processes=processes)
    shares = [settings.connection_numbers(process) for process in range(processes)]
    assert sorted(number for share in shares for number in share) == list(range(connections))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(1, 10**6), st.integers(1, 40))
def test_connections_share_the_bytes(add_up: int, connections: int) -> None:
    settings = Settings(run="run", total=add_up, connections=connections)
    lines = sum(settings.line_quota(number) or 0 for number in range(connections))
    assert add_up <= lines * 128 < add_up + 128


@given(RATED)
def test_writes_are_evenly_scheduled_over_time_and_connections(settings: Settings) -> None:
    writes = [settings.due_at(number, index) for index in range(3) for number in range(settings.connections)]
    apart = settings.write_lines * 1_000_000_000 / (settings.rate or 1)
    assert all(abs(due - place * apart) <= 1 + 1e-9 * due for place, due in enumerate(writes))  # rounded down


@given(RATED, st.integers(0, 10**10))
def test_lines_due_are_those_of_writes_scheduled_earlier(settings: Settings, elapsed: int) -> None:
    number = settings.connections - 1
    lines = settings.lines_due(number, elapsed)
    quota = settings.line_quota(number)
    if quota is not None and lines == quota:
        return
    index, rest = divmod(lines, settings.write_lines)
    assert rest == 0
    assert settings.due_at(number, index) >= elapsed
    assert index == 0 or settings.due_at(number, index - 1) < elapsed


def test_a_write_has_no_more_lines_than_a_connection() -> None:
    assert Settings(run="run", per_connection=3).write_lines == 3
    assert Settings(run="run", per_connection=3, write_size=0).write_lines == 1


def test_without_a_rate_nothing_is_due() -> None:
    assert Settings(run="run").lines_due(0, 10**9) == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"processes": 65}, "65 processes for 64 connections"),
        ({"write_size": 100}, r"writes of 100 bytes, 128 \(a line\) to 1048576 allowed"),
        ({"write_size": 2_000_000}, "writes of 2000000 bytes"),
        ({"connections": 70_000}, "70000 connections, at most 65536 allowed"),
        ({"line_size": 20}, "lines of 20 bytes, at least"),
        ({"run": "a b"}, "is not a run"),
        ({"per_connection": 700}, "700 lines per connection are not whole writes of 512 lines each"),
        ({"per_connection": 1, "protocol": "relp"}, "are for --protocol lines"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused_with_the_numbers(
    wrong: dict[str, int | str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**{"run": "run", **wrong})  # type: ignore[arg-type] # as said
