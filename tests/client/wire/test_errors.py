from collections.abc import Iterator

import pytest

from nodelog.wire.errors import WireError, collect


def steps(fault: Exception) -> Iterator[int]:
    yield 1
    yield 2
    raise fault


def test_what_came_before_a_fault_comes_with_it() -> None:
    with pytest.raises(WireError, match="bad") as caught:
        collect(steps(WireError("bad")))
    assert caught.value.completed == [1, 2]


def test_a_wire_error_is_a_value_error_with_nothing_before_it() -> None:
    assert isinstance(WireError("bad"), ValueError)
    assert WireError("bad").completed == []


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(KeyError):
        collect(steps(KeyError("a bug")))
