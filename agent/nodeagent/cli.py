"""The command `nodeagent`: options, environment, file, exit codes."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nodeagent import config_file, run_command, watch_command
from nodeagent.checks.daemon_status import Source
from nodeagent.cli_options import Daemon, eyes, option
from nodeagent.settings import Scene, Settings
from nodeagent.supervision.programs import PROGRAMS, Program, SetupError, key
from nodelog import __version__
from nodelog.shipping.addresses import NoHostError, collector_addresses
from nodelogd.service import command_line, event_loop, logging_setup
from nodelogd.service.listening_sockets import Address, ListenError
from nodelogd.service.option_types import ADDRESS, Duration

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

LOG: Final = logging.getLogger(__name__)
CONTEXT: Final = command_line.context_settings("NODEAGENT")
OWN: Final = "nodeagent"
"""The table of the agent itself in a file."""


def programs(function: Callable[..., int]) -> Callable[..., int]:
    """Add the options of the children, each with the name of its program before its own."""
    for program in PROGRAMS.values():
        for name, known in program.options.items():
            flag = f"--{program.name}-{name}"
            flags = f"{flag}/--no-{program.name}-{name}" if known.is_flag else flag
            several = {"multiple": True} if known.multiple else {}
            function = click.option(flags, default=None, hidden=True, **several)(function)  # type: ignore[arg-type]
    return function


def read(ctx: click.Context, _: click.Parameter, path: Path | None) -> config_file.Tables:
    """Read the file; its own table stands for the options that are not given."""
    if path is None:
        return {}
    try:
        tables = config_file.read(path, [*PROGRAMS, OWN])
        own = tables.pop(OWN, {})
        agent = Program(click.Command(OWN, params=[p for p in ctx.command.params if _is_own(p)]))
        agent.arguments(own)
    except SetupError as error:
        raise click.UsageError(str(error)) from None
    ctx.default_map = {
        agent.options[name].name or "": _texts(value, agent.options[name]) for name, value in own.items()
    }
    return tables


def _is_own(param: click.Parameter) -> bool:
    return isinstance(param, click.Option) and not param.hidden and key(param) != "config"


def _texts(value: object, known: click.Option) -> object:
    texts = [str(one) for one in (value if isinstance(value, list) else [value])]
    return texts if known.multiple else texts[0]


@click.group("nodeagent", context_settings=CONTEXT, no_args_is_help=False)
@click.version_option(__version__, prog_name="nodeagent", allow_from_autoenv=False)
def nodeagent() -> None:
    """Keep the log daemons of a node alive and honest."""


@nodeagent.command("run", context_settings=CONTEXT)
@option(
    "--config",
    type=click.Path(path_type=Path),
    default=None,
    is_eager=True,
    callback=read,
    help="A TOML file with a table for each program, [logd], [nodeagent], ..., every option by its own name.",
)
@option(
    "--program",
    type=click.Choice(list(PROGRAMS)),
    multiple=True,
    default=list(PROGRAMS),
    help="What to start; may be given several times.",
)
@option(
    "--grace",
    type=Duration("0", "1h"),
    default=40.0,
    help="Time for the programs to end before they are killed; more than their own --grace.",
)
@eyes
@programs
def run(config: config_file.Tables, program: tuple[str, ...], grace: float, **options: Any) -> int:  # noqa: ANN401 (as `watch`)
    """Keep everything on one node running, where no kubelet does, and watch it.

    Each option of the programs is one of this command too, with the program's name before it: --logd-listen,
    --no-logd-stamp. It wins over the file, the file over the program's variables.
    """
    children: dict[str, list[str]] = {}
    try:
        for name in dict.fromkeys(program):
            table = config.get(name, {}) | _given(PROGRAMS[name], options)
            children[name] = PROGRAMS[name].arguments(table)
            PROGRAMS[name].settings(children[name])
    except SetupError as error:
        raise click.UsageError(str(error)) from None
    logging_setup.setup("nodeagent", options["log_level"])
    return _end(lambda: run_command.run(children, _settings(options), grace))


def _given(program: Program, options: dict[str, Any]) -> dict[str, Any]:
    """Give what is set for a program on the command line."""
    found = {name: options[f"{program.name}_{param.name}"] for name, param in program.options.items()}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in found.items()
        if value not in (None, ())
    }


@nodeagent.command("watch", context_settings=CONTEXT)
@option(
    "--collector",
    type=ADDRESS,
    default=Address(None, 6666),
    help="Where to send probes. Without a host, here and below, to the node's addresses in HOST_IP and "
    "HOST_IPS, or to this machine.",
)
@option(
    "--daemon",
    type=Daemon(),
    multiple=True,
    default=[("logd", Address(None, 9166)), ("logcd", Address(None, 9167))],
    help="A daemon and the port of its pages; may be given several times.",
)
@option(
    "--disk",
    type=click.Path(path_type=Path),
    multiple=True,
    default=[Path("/var/lib/nodelog"), Path("/var/log")],
    help="A path on a file system to watch; may be given several times.",
)
@option(
    "--archives",
    type=click.Path(path_type=Path),
    default=Path("/var/log/all-logs-*.tar.gz"),
    help="Where logcd puts its archives; a star stands for the date.",
)
@option(
    "--archive-every",
    type=Duration("1s", "30d"),
    default=60.0,
    help="The --every of logcd; an archive that is three times as old is late.",
)
@option(
    "--log",
    type=click.Path(path_type=Path),
    default=Path("/var/node_log"),
    help="The log that /tail follows.",
)
@eyes
def watch(**options: Any) -> int:  # noqa: ANN401 (as many types as options)
    """Watch the daemons of a node that somebody else keeps running; start nothing and delete nothing."""
    logging_setup.setup("nodeagent", options["log_level"])
    hosts = _hosts()
    collector: Address = options["collector"]
    scene = Scene(
        collector=((collector.host,) if collector.host else hosts, collector.port),
        daemons=tuple(
            Source(name, f"http://{Address(address.host or hosts[0], address.port)}")
            for name, address in options["daemon"]
        ),
        disks=options["disk"],
        archives=options["archives"],
        archive_every=options["archive_every"],
        log=options["log"],
    )
    return _end(lambda: watch_command.watch(scene, _settings(options)))


def _hosts() -> tuple[str, ...]:
    try:
        return collector_addresses(None, os.environ)
    except NoHostError:
        return ("127.0.0.1",)
    except ValueError as error:
        raise click.UsageError(f"HOST_IP, HOST_IPS: {error}") from None


def _settings(options: dict[str, Any]) -> Settings:
    return Settings(**{name: options[name] for name in Settings.__slots__})


def _end(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run it to its end; give the exit code."""
    try:
        return event_loop.run(main)
    except (ListenError, SetupError) as error:
        LOG.error("%s", error)  # noqa: TRY400 (one line)
        return 1


def main() -> None:
    """Run nodeagent on the arguments of the process."""
    sys.exit(command_line.run(nodeagent))


if __name__ == "__main__":
    main()
