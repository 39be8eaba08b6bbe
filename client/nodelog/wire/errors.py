"""The error for a peer that breaks the protocol; whatever was valid before the fault is not lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

_T = TypeVar("_T")


class WireError(ValueError):
    """The peer broke the protocol: handle `completed`, then close the connection.

    `completed` has the frames or events that were complete before the fault in the same call. If they were
    dropped, the blocks before a bad one would be sent again and again, and one of them would be blamed.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.completed: list[Any] = []


def collect(steps: Iterable[_T]) -> list[_T]:
    """Return what `steps` yields as a list; a WireError carries what was yielded before it."""
    completed: list[_T] = []
    try:
        completed.extend(steps)
    except WireError as error:
        error.completed = completed
        raise
    return completed
