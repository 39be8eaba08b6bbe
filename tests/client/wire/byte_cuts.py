"""Bytes as TCP delivers them: cut anywhere."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TypeVar

from hypothesis import strategies as st

from nodelog.wire.errors import WireError

_T = TypeVar("_T")

CUTS = st.lists(st.integers(0, 2000), max_size=30)
"""Where to cut; places beyond the end have no effect."""

COMMANDS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=32).map(
    str.encode
)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut `data` at these places."""
    edges = sorted({0, len(data), *(place for place in places if place < len(data))})
    return [data[start:end] for start, end in pairwise(edges)]


def fed(feed: Callable[[bytes], list[_T]], pieces: Iterable[bytes]) -> tuple[list[_T], str]:
    """Feed the pieces; return all results, and the message of the fault that ended it, if any."""
    results: list[_T] = []
    for piece in pieces:
        try:
            results += feed(piece)
        except WireError as error:
            return results + error.completed, str(error)
    return results, ""
