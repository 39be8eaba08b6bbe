from pathlib import Path

import pytest

from nodelog.load.generator.cpu_usage import busy, verdict, was_limit


def test_a_process_without_time_left_was_the_limit() -> None:
    assert verdict([0.974], 0.99) == "97 % of a core - the limit was the generator"
    assert verdict([0.5, 0.93], None) == "50 % and 93 % of a core - the limit was the generator"
    assert was_limit([0.5, 0.93])


def test_a_full_machine_is_told() -> None:
    assert verdict([0.6, 0.7], 0.97) == "60 % and 70 % of a core - the machine was full (97 %)"


def test_otherwise_the_figures_are_the_collectors() -> None:
    assert verdict([0.6], 0.8) == "60 % of a core"
    assert not was_limit([0.6])


def test_the_busy_time_is_a_part_of_the_whole() -> None:
    found = busy()
    assert found is not None
    assert 0 < found[0] < found[1]


def test_a_system_that_does_not_tell_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", fail)
    assert busy() is None
