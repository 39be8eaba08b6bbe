from collections.abc import Iterator

import pytest

from nodelog.wire.errors import WireError, collect


def steps(fault: Exception) -> Iterator[int]:
    yield 1
    yield 2
    raise fault


def test_an_error_carries_what_was_completed_before_it() -> None:
    with pytest.raises(WireError, match="bad") as caught:
        collect(steps(WireError("bad")))
    assert caught.value.completed == [1, 2]


def test_a_new_wire_error_is_a_value_error_with_nothing_completed() -> None:
    assert isinstance(WireError("bad"), ValueError)
    assert WireError("bad").completed == []


def test_other_errors_are_raised_unchanged() -> None:
    with pytest.raises(KeyError):
        collect(steps(KeyError("a bug")))
