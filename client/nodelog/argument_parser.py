"""The options of `nodelog` commands and how their values are parsed.

Each option can also be set by a variable NODELOG_..., and an invalid value is reported in one line. Values
that Kubernetes sets for a Service of a like name are ignored.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from nodelog import quantities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = TypeVar("_T")

_MIN_DURATION = quantities.parse_duration("1ms")
_MAX_DURATION = quantities.parse_duration("365d")
_SERVICE_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://[^/\s]{1,255}:[0-9]{1,5}")
_TRUE = ("1", "true", "yes", "on")


class ArgumentParser(argparse.ArgumentParser):
    """An argparse parser that reports an invalid value in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        """Print `message` and exit with code 2."""
        self.exit(2, f"{self.prog}: {message}\n")


class CommandOptions:
    """Adds options to a command; the default of each may be set by a variable `<prefix>_<OPTION>`."""

    def __init__(
        self, command: argparse.ArgumentParser, env: Mapping[str, str], prefix: str = "NODELOG"
    ) -> None:
        self._command = command
        self._env = env
        self._prefix = prefix

    def add(
        self,
        name: str,
        parse: Callable[[str], object],
        default: str | None,
        description: str,
        bare: str | None = None,
    ) -> None:
        """Add an option with a value. With `bare`, the option may stand without one and then means this."""
        variable = self._variable(name)
        self._command.add_argument(
            f"--{name}",
            nargs=None if bare is None else "?",
            const=bare,
            type=_keep_message(parse, variable),
            default=self._value(variable) or default,
            metavar=name.upper(),
            help=f"{description} [{variable}]",
        )

    def add_flag(self, name: str, description: str) -> None:
        """Add an option without a value."""
        variable = self._variable(name)
        self._command.add_argument(
            f"--{name}",
            action="store_true",
            default=self._value(variable).lower() in _TRUE,
            help=f"{description} [{variable}=1]",
        )

    def add_files(self, name: str, metavar: str, description: str) -> None:
        """Add positional arguments: one or more files."""
        self._command.add_argument(name, nargs="+", type=Path, metavar=metavar, help=description)

    def _value(self, variable: str) -> str:
        """Return the value of a variable, unless Kubernetes has set it."""
        value = self._env.get(variable, "")
        if is_service_address(variable, value):
            import logging  # noqa: PLC0415 (its import takes longer than all else here, and this is rare)

            logger = logging.getLogger("nodelog")
            logger.debug("%s=%r is ignored: Kubernetes sets it for a Service of that name", variable, value)
            return ""
        return value

    def _variable(self, name: str) -> str:
        return f"{self._prefix}_{name.upper().replace('-', '_')}"


def is_service_address(variable: str, value: str) -> bool:
    """Return whether Kubernetes has set a variable: NODELOG_PORT=tcp://10.0.0.1:6666.

    It sets such variables in each pod of a namespace for each of its Services. No option means an address of
    this form.
    """
    return variable.endswith("_PORT") and _SERVICE_ADDRESS.fullmatch(value) is not None


def integer(what: str, minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a parser of integers from `minimum` to `maximum`; `what` names the value in errors."""

    def parse(text: str) -> int:
        # Short ASCII digits only: int() would also accept digits of other scripts, underscores and a million
        # digits.
        if not re.fullmatch("[0-9]{1,18}", text) or not minimum <= int(text) <= maximum:
            raise ValueError(f"{text!r} is not {what}, {minimum} to {maximum}")
        return int(text)

    return parse


def duration(text: str) -> float:
    """Parse a duration from 1ms to 365d."""
    seconds = quantities.parse_duration(text)
    if not _MIN_DURATION <= seconds <= _MAX_DURATION:
        raise ValueError(f"{text!r} is not a time from 1ms to 365d")
    return seconds


def _keep_message(parse: Callable[[str], _T], variable: str) -> Callable[[str], _T]:
    """Wrap `parse` so that its error message is shown: argparse discards the text of a ValueError."""

    def parse_argument(text: str) -> _T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error} (option or variable {variable})") from None

    return parse_argument
