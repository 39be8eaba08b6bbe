"""Reading objects of Kubernetes to the last field: one that nobody asked for is refused, not passed over.

So whoever changes a manifest hears from the tests what the stand-in does not do yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self


class RefusedError(Exception):
    """A field, or a value of one, that the stand-in for a kubelet does not implement; it says which."""


class Fields:
    """One object, as a context: what was not taken from it by the end of the block is refused."""

    def __init__(self, found: Mapping[str, Any], where: str) -> None:
        """Begin; `where` is what a refusal calls it."""
        self.where = where
        self._left = dict(found)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Refuse what is left."""
        if kind is None and self._left:
            raise RefusedError(f"{self.where}: not implemented: {', '.join(sorted(self._left))}")

    def __contains__(self, name: str) -> bool:
        """Whether a field is there, and not taken yet."""
        return name in self._left

    def take(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 (any value)
        """Give a field."""
        return self._left.pop(name, default)

    def need(self, name: str) -> Any:  # noqa: ANN401 (any value)
        """Give a field that has to be there."""
        if name not in self._left:
            raise RefusedError(f"{self.where}: {name} is missing")
        return self._left.pop(name)

    def only(self, name: str, *values: object, default: object = None) -> None:
        """Take a field that has one of these values, or is not there with one of them as its default."""
        if (found := self._left.pop(name, default)) not in values:
            raise RefusedError(f"{self.where}: {name} {found!r} is not implemented")

    def into(self, name: str) -> Fields:
        """Give an object in it; an empty one if it is not there."""
        return Fields(self._left.pop(name, None) or {}, f"{self.where}.{name}")

    def each(self, name: str) -> list[Fields]:
        """Give the objects of a list in it."""
        found = self._left.pop(name, None) or []
        return [Fields(one, f"{self.where}.{name}[{number}]") for number, one in enumerate(found)]
