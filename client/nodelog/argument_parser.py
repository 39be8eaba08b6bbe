"""Options of `nodelog` and their values: each is also a variable NODELOG_..., and a wrong one is one line."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from nodelog import quantities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = TypeVar("_T")

_SHORTEST = quantities.duration("1ms")
_LONGEST = quantities.duration("365d")
_YES = ("1", "true", "yes", "on")


class Parser(argparse.ArgumentParser):
    """One line for a wrong value instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        """Say it, and end."""
        self.exit(2, f"{self.prog}: {message}\n")


class Options:
    """Adds options to a command; `env` has the variables."""

    def __init__(
        self, command: argparse.ArgumentParser, env: Mapping[str, str], prefix: str = "NODELOG"
    ) -> None:
        """Take a command; `prefix` is how its variables begin."""
        self._command = command
        self._env = env
        self._prefix = prefix

    def add(self, name: str, parse: Callable[[str], object], default: str | None, about: str) -> None:
        """Add one with a value."""
        variable = self._variable(name)
        self._command.add_argument(
            f"--{name}",
            type=_telling(parse, variable),
            default=self._env.get(variable) or default,
            metavar=name.upper(),
            help=f"{about} [{variable}]",
        )

    def flag(self, name: str, about: str) -> None:
        """Add one that is given or not."""
        variable = self._variable(name)
        self._command.add_argument(
            f"--{name}",
            action="store_true",
            default=self._env.get(variable, "").lower() in _YES,
            help=f"{about} [{variable}=1]",
        )

    def add_files(self, name: str, metavar: str, about: str) -> None:
        """Add one or more files, given without an option."""
        self._command.add_argument(name, nargs="+", type=Path, metavar=metavar, help=about)

    def _variable(self, name: str) -> str:
        return f"{self._prefix}_{name.upper().replace('-', '_')}"


def whole(what: str, least: int, most: int) -> Callable[[str], int]:
    """Read a whole number within bounds."""

    def parsed(text: str) -> int:
        # ASCII and short: int() would also take other scripts' digits, underscores, and a million digits.
        if not re.fullmatch("[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise ValueError(f"{text!r} is not {what}, {least} to {most}")
        return int(text)

    return parsed


def time(text: str) -> float:
    """Read a time that a person may wait for."""
    seconds = quantities.duration(text)
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ValueError(f"{text!r} is not a time from 1ms to 365d")
    return seconds


def _telling(parse: Callable[[str], _T], variable: str) -> Callable[[str], _T]:
    """Keep what `parse` says about a wrong value: argparse forgets the text of a ValueError."""

    def parsed(text: str) -> _T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error} (option or variable {variable})") from None

    return parsed
