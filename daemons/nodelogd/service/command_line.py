"""The command line of a daemon: a usage error prints one line that says what is allowed, and exits with 2."""

from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from nodelogd.service.option_types import OptionType, environment_variable

INTERRUPTED = 130  # the exit code that shells report after Ctrl-C


def context_settings(prefix: str) -> dict[str, Any]:
    """Return click's `context_settings` for a daemon; `prefix` (`LOGD`) begins its environment variables."""
    return {
        "auto_envvar_prefix": prefix,
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
        "show_default": True,
    }


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; `arguments` default to those of the process."""
    name = command.name or "nodelog"
    try:
        code = command.main(arguments, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"{name}: {error_line(error, command)}", err=True)
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def error_line(error: click.ClickException, command: click.Command) -> str:
    """Return one line that names the wrong option or variable, what is wrong with it, and what is allowed."""
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
        return f"{environment_variable(param, ctx)} ({option})"
    return option


def _choices(param: click.Parameter | None) -> str:
    return f"; {param.type.allowed_message()}" if param and isinstance(param.type, OptionType) else ""


def _takes_value(param: click.Parameter | None) -> bool:
    return isinstance(param, click.Option) and not param.is_flag and not param.count
