"""The daemons that `nodeagent run` starts, and their options, taken from their own commands."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nodelogd.collector.cli import logd
from nodelogd.compressor.cli import logcd
from nodelogd.service import command_line

if TYPE_CHECKING:
    from collections.abc import Mapping

ONE_SHOT_OPTIONS: Final = frozenset({"help", "version", "once"})
"""Options with which a program ends by itself, so that there is nothing to supervise."""


class ConfigError(Exception):
    """A setting of a program is wrong; the text is one line."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that can be supervised."""

    command: click.Command

    @property
    def name(self) -> str:
        """Its name."""
        return self.command.name or ""

    @property
    def options(self) -> dict[str, click.Option]:
        """The options that can be set for it, by name."""
        options = (param for param in self.command.params if isinstance(param, click.Option))
        return {name: option for option in options if (name := option_name(option)) not in ONE_SHOT_OPTIONS}

    def arguments(self, table: Mapping[str, object]) -> list[str]:
        """Return the command-line arguments for these values. Raises ConfigError."""
        return [argument for name, value in table.items() for argument in self._argument(name, value)]

    def settings(self, arguments: list[str]) -> dict[str, Any]:
        """Return the values of all options, as the program itself will see them. Raises ConfigError."""
        try:
            return self.command.make_context(self.name, list(arguments)).params
        except click.ClickException as error:
            raise ConfigError(f"{self.name}: {command_line.error_line(error, self.command)}") from None

    def start_command(self, arguments: list[str]) -> list[str]:
        """Return the command that starts it: the one installed beside this Python."""
        return [str(Path(sys.executable).parent / self.name), *arguments]

    def _argument(self, name: str, value: object) -> list[str]:
        option = self.options.get(name)
        if option is None:
            raise ConfigError(f"{self.name} has no option {name!r}{suggestion(name, self.options)}")
        if option.is_flag:
            if not isinstance(value, bool):
                raise ConfigError(f"{self.name}: {name} is true or false, not {value!r}")
            if value:
                return option.opts[-1:]
            return option.secondary_opts[-1:]
        if isinstance(value, list) and option.multiple:
            return [f"{option.opts[-1]}={_value_text(self.name, name, one)}" for one in value]
        return [f"{option.opts[-1]}={_value_text(self.name, name, value)}"]


PROGRAMS: Final = {program.name: program for program in (Program(logd), Program(logcd))}


def option_name(option: click.Option) -> str:
    """Return the name of an option as written in a file, without dashes in front."""
    return option.opts[-1].lstrip("-")


def suggestion(name: str, known: Mapping[str, object]) -> str:
    """Return the end of an error message about an unknown name: the closest known one, or all of them."""
    close = difflib.get_close_matches(name.replace("_", "-"), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(known)}"


def _value_text(program: str, name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigError(f"{program}: {name} needs a text or a number, not {value!r}")
    return str(value)
