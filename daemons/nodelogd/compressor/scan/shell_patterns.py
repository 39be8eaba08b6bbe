"""Translate a shell pattern for one name into a regular expression, as POSIX defines it and bash reads it.

Python's `fnmatch` differs in what people write most: it takes `[^d]` for a set that contains `^`, and knows
neither `[[:digit:]]` nor a backslash.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_CLASSES: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_BRACES: Final = re.compile(r"(?<!\\)\{[^{}]*,[^{}]*\}")
_NOTHING: Final = "(?!)"


@lru_cache(maxsize=1024)
def translate(pattern: str) -> str:
    """Return a regular expression that matches whole names. Raises a ValueError that says what is wrong."""
    if _BRACES.search(pattern):
        raise ValueError("not a pattern: only bash expands braces; repeat the option instead")
    parts, position = [""], 0
    while position < len(pattern):
        if pattern[position] == "*":
            parts.append("")
            position += 1
        else:
            token, position = _token(pattern, position)
            parts[-1] += token
    first, *others = parts
    if not others:
        return rf"(?s:{first})\Z"
    # Atomic groups: what follows a star is looked for once, or `*a*b*c*d` would take for ever.
    middle = "".join(f"(?>.*?{part})" for part in others[:-1])
    return rf"(?s:{first}{middle}.*{others[-1]})\Z"


def _token(pattern: str, position: int) -> tuple[str, int]:
    """Return the expression for what is at a position, and the position after it."""
    character = pattern[position]
    if character == "?":
        return ".", position + 1
    if character == "[" and (found := _bracket(pattern, position + 1)):
        return found
    if character == "\\" and position + 1 < len(pattern):
        return re.escape(pattern[position + 1]), position + 2
    return re.escape(character), position + 1


def _bracket(pattern: str, position: int) -> tuple[str, int] | None:
    """Return the expression for a bracket that was opened before a position; None if it is never closed."""
    is_negated = pattern[position : position + 1] in {"!", "^"}
    position += is_negated
    items: list[str] = []
    first = position
    while position < len(pattern):
        if pattern[position] == "]" and position > first:
            content = "".join(items)
            if is_negated:
                return (f"[^{content}]" if content else "."), position + 1
            return (f"[{content}]" if content else _NOTHING), position + 1
        item, position = _item(pattern, position)
        items.append(item)
    return None


def _item(pattern: str, position: int) -> tuple[str, int]:
    """Return a class, a range or a character of a bracket, and the position after it."""
    if found := re.compile(r"\[:([^:\]]*):\]").match(pattern, position):
        if found[1] not in _CLASSES:
            raise ValueError(f"not a pattern: there is no class [:{found[1]}:]")
        return _CLASSES[found[1]], found.end()
    low, position = _character(pattern, position)
    if pattern[position : position + 1] == "-" and pattern[position + 1 : position + 2] not in {"", "]"}:
        high, position = _character(pattern, position + 1)
        return (f"{re.escape(low)}-{re.escape(high)}" if low <= high else ""), position
    return re.escape(low), position


def _character(pattern: str, position: int) -> tuple[str, int]:
    if pattern[position] == "\\" and position + 1 < len(pattern):
        position += 1
    return pattern[position], position + 1
