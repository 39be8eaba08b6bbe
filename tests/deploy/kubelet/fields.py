"""Reads Kubernetes objects completely: a field that is not read is refused, not ignored.

So a change of a manifest that the stand-in does not implement fails the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self


class RefusedError(Exception):
    """The stand-in for a kubelet does not implement a field or its value; the text says which."""


class Fields:
    """One object; fields not taken from it by the end of the block are refused."""

    def __init__(self, found: Mapping[str, Any], where: str) -> None:
        """Wrap an object; `where` names it in the text of a refusal."""
        self.where = where
        self._left = dict(found)

    def __enter__(self) -> Self:
        """Return the fields."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Refuse the fields that are left."""
        if kind is None and self._left:
            raise RefusedError(f"{self.where}: not implemented: {', '.join(sorted(self._left))}")

    def __contains__(self, name: str) -> bool:
        """Return whether a field is present and not taken yet."""
        return name in self._left

    def take(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 (any value)
        """Take a field."""
        return self._left.pop(name, default)

    def require(self, name: str) -> Any:  # noqa: ANN401 (any value)
        """Take a field that must be present."""
        if name not in self._left:
            raise RefusedError(f"{self.where}: {name} is missing")
        return self._left.pop(name)

    def expect(self, name: str, *values: object, default: object = None) -> None:
        """Take a field that must have one of these values; `default` is the value of an absent field."""
        if (found := self._left.pop(name, default)) not in values:
            raise RefusedError(f"{self.where}: {name} {found!r} is not implemented")

    def object(self, name: str) -> Fields:
        """Take a nested object; an empty one if it is absent."""
        return Fields(self._left.pop(name, None) or {}, f"{self.where}.{name}")

    def objects(self, name: str) -> list[Fields]:
        """Take the objects of a nested list."""
        found = self._left.pop(name, None) or []
        return [Fields(one, f"{self.where}.{name}[{number}]") for number, one in enumerate(found)]
