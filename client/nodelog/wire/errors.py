"""What is raised when a peer breaks the protocol; nothing good that came before it is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

_T = TypeVar("_T")


class WireError(ValueError):
    """The peer broke the protocol: handle `before`, then close the connection.

    `before` has the frames or events that came whole before the fault in the same call. Were they dropped,
    the blocks in front of a bad one would be sent again and again, and one of them blamed for it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.completed: list[Any] = []


def collect(steps: Iterable[_T]) -> list[_T]:
    """List what comes out of `steps`; a fault takes with it what came before."""
    done: list[_T] = []
    try:
        done.extend(steps)
    except WireError as error:
        error.completed = done
        raise
    return done
