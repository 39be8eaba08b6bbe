from pathlib import Path

import pytest

from nodelog.load.generator.cpu_usage import describe_usage, is_saturated, read_cpu_times


def test_a_process_that_uses_most_of_a_core_was_the_limit() -> None:
    assert describe_usage([0.974], 0.99) == "97 % of a core - the limit was the generator"
    assert describe_usage([0.5, 0.93], None) == "50 % and 93 % of a core - the limit was the generator"
    assert is_saturated([0.5, 0.93])


def test_a_full_machine_is_reported() -> None:
    assert describe_usage([0.6, 0.7], 0.97) == "60 % and 70 % of a core - the machine was full (97 %)"


def test_with_time_left_only_the_shares_are_reported() -> None:
    assert describe_usage([0.6], 0.8) == "60 % of a core"
    assert not is_saturated([0.6])


def test_the_busy_time_is_part_of_the_total() -> None:
    found = read_cpu_times()
    assert found is not None
    assert 0 < found[0] < found[1]


def test_a_system_without_cpu_times_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", fail)
    assert read_cpu_times() is None
