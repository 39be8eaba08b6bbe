"""The command line of a daemon: a mistake on it is one line that says what is allowed, and exit code 2."""

from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from nodelogd.service.option_types import Value, variable

INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


def settings(prefix: str) -> dict[str, Any]:
    """Return click's `context_settings` of a daemon whose variables begin with `prefix`, such as `LOGD`."""
    return {
        "auto_envvar_prefix": prefix,
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
        "show_default": True,
    }


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; without `arguments` on those of the process."""
    name = command.name or "nodelog"
    try:
        code = command.main(arguments, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"{name}: {explained(error, command)}", err=True)
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def explained(error: click.ClickException, command: click.Command) -> str:
    """Say in one line which option or variable is wrong, how, and what is allowed."""
    match error:
        case click.MissingParameter(param=click.Parameter() as param):
            text = f"{param.opts[-1]}: missing{_choices(param)}"
        case click.BadParameter(param=click.Parameter() as param):
            text = f"{_origin(param, error.ctx)}: {error.message}"
        case click.NoSuchOption(option_name=name, possibilities=near):
            text = f"{name}: no such option" + (f"; did you mean {' or '.join(near)}?" if near else "")
        case click.BadOptionUsage(option_name=name):
            found = next((param for param in command.params if name in param.opts), None)
            needs = f"needs a value{_choices(found)}" if _takes_value(found) else "takes no value"
            text = f"{name}: {needs}"
        case click.UsageError(ctx=click.Context(command=click.Group(commands=known))):
            text = f"{error.format_message().rstrip('.')}; there are {', '.join(known)}"
        case _:
            text = error.format_message()
    return " ".join(text.splitlines()).rstrip(".")


def _origin(param: click.Parameter, ctx: click.Context | None) -> str:
    option = param.opts[-1]
    if ctx is not None and ctx.get_parameter_source(param.name or "") is ParameterSource.ENVIRONMENT:
        return f"{variable(param, ctx)} ({option})"
    return option


def _choices(param: click.Parameter | None) -> str:
    return f"; {param.type.choices()}" if param and isinstance(param.type, Value) else ""


def _takes_value(param: click.Parameter | None) -> bool:
    return isinstance(param, click.Option) and not param.is_flag and not param.count
