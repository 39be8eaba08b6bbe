"""The daemons that `nodeagent run` starts, and their options, which are those of their own commands."""

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

NOT_KEPT: Final = frozenset({"help", "version", "once"})
"""Options of a program that then ends by itself: nothing to keep alive."""


class SetupError(Exception):
    """What was set for a program cannot be, in one line."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that can be kept alive."""

    command: click.Command

    @property
    def name(self) -> str:
        """Its name."""
        return self.command.name or ""

    @property
    def options(self) -> dict[str, click.Option]:
        """What can be set for it, by its own names."""
        found = (param for param in self.command.params if isinstance(param, click.Option))
        return {name: param for param in found if (name := key(param)) not in NOT_KEPT}

    def arguments(self, table: Mapping[str, object]) -> list[str]:
        """Give the command line that stands for these values. Raises SetupError."""
        return [argument for name, value in table.items() for argument in self._argument(name, value)]

    def settings(self, arguments: list[str]) -> dict[str, Any]:
        """Give the values of all its options, as the program itself will find them. Raises SetupError."""
        try:
            return self.command.make_context(self.name, list(arguments)).params
        except click.ClickException as error:
            raise SetupError(f"{self.name}: {command_line.error_line(error, self.command)}") from None

    def start(self, arguments: list[str]) -> list[str]:
        """Give the command that starts it: the one that was installed beside this Python."""
        return [str(Path(sys.executable).parent / self.name), *arguments]

    def _argument(self, name: str, value: object) -> list[str]:
        option = self.options.get(name)
        if option is None:
            raise SetupError(f"{self.name} has no option {name!r}{nearest(name, self.options)}")
        if option.is_flag:
            if not isinstance(value, bool):
                raise SetupError(f"{self.name}: {name} is true or false, not {value!r}")
            if value:
                return option.opts[-1:]
            return option.secondary_opts[-1:]
        if isinstance(value, list) and option.multiple:
            return [f"{option.opts[-1]}={_text(self.name, name, one)}" for one in value]
        return [f"{option.opts[-1]}={_text(self.name, name, value)}"]


PROGRAMS: Final = {program.name: program for program in (Program(logd), Program(logcd))}


def key(option: click.Option) -> str:
    """Give the name of an option, as it stands in a file."""
    return option.opts[-1].lstrip("-")


def nearest(name: str, names: Mapping[str, object]) -> str:
    """Say which name may have been meant."""
    near = difflib.get_close_matches(name.replace("_", "-"), names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(names)}"


def _text(program: str, name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise SetupError(f"{program}: {name} needs a text or a number, not {value!r}")
    return str(value)
