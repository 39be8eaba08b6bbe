"""The command `nodeagent`: options, environment, configuration file, exit codes."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nodeagent import config_file, run_command, watch_command
from nodeagent.cli_options import NamedAddress, common_options, option
from nodeagent.settings import ChildLimits, CollectorAddress, DaemonAddress, Settings, WatchTargets
from nodeagent.supervision.programs import PROGRAMS, ConfigError, Program, option_name
from nodelog import __version__
from nodelog.shipping.addresses import NoHostError, collector_addresses
from nodelogd.service import command_line, event_loop, logging_setup
from nodelogd.service.listening_sockets import Address, ListenError
from nodelogd.service.option_types import ADDRESS, Duration

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

LOG: Final = logging.getLogger(__name__)
CONTEXT: Final = command_line.context_settings("NODEAGENT")
OWN_TABLE: Final = "nodeagent"
"""The table of a file with the agent's own options."""


def program_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add every option of the children, with the name of its program in front."""
    for program in PROGRAMS.values():
        for name, known in program.options.items():
            flag = f"--{program.name}-{name}"
            flags = f"{flag}/--no-{program.name}-{name}" if known.is_flag else flag
            multiple = {"multiple": True} if known.multiple else {}
            function = click.option(flags, default=None, hidden=True, **multiple)(function)  # type: ignore[arg-type]
    return function


def load_config(ctx: click.Context, _: click.Parameter, path: Path | None) -> config_file.Tables:
    """Return the tables of the children; the agent's own table supplies the defaults of its options."""
    if path is None:
        return {}
    try:
        tables = config_file.read_tables(path, [*PROGRAMS, OWN_TABLE])
        own = tables.pop(OWN_TABLE, {})
        agent = Program(click.Command(OWN_TABLE, params=[p for p in ctx.command.params if _is_own(p)]))
        agent.arguments(own)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    ctx.default_map = {
        agent.options[name].name or "": _to_text(value, agent.options[name]) for name, value in own.items()
    }
    return tables


def _is_own(param: click.Parameter) -> bool:
    return isinstance(param, click.Option) and not param.hidden and option_name(param) != "config"


def _to_text(value: object, known: click.Option) -> object:
    texts = [str(one) for one in (value if isinstance(value, list) else [value])]
    return texts if known.multiple else texts[0]


@click.group("nodeagent", context_settings=CONTEXT, no_args_is_help=False)
@click.version_option(__version__, prog_name="nodeagent", allow_from_autoenv=False)
def nodeagent() -> None:
    """Keep the log daemons of a node running, and check that they do their work."""


@nodeagent.command("run", context_settings=CONTEXT)
@option(
    "--config",
    type=click.Path(path_type=Path),
    default=None,
    is_eager=True,
    callback=load_config,
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
    help="Time for the programs to end before they are killed; should exceed their own --grace.",
)
@option(
    "--hang-limit",
    type=Duration("1s", "1h", off=True),
    default=30.0,
    help="Time without a good answer at /healthz after which a program that listens is ended and started "
    "again.",
)
@common_options
@program_options
def run(config: config_file.Tables, program: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 (as `watch`)
    """Run and watch the daemons of a node without a kubelet.

    Every option of the programs is also an option of this command, with the program's name in front:
    --logd-listen, --no-logd-stamp. It takes precedence over the file, and the file over the program's
    environment variables.
    """
    children: dict[str, list[str]] = {}
    try:
        for name in dict.fromkeys(program):
            table = config.get(name, {}) | _program_values(PROGRAMS[name], options)
            children[name] = PROGRAMS[name].arguments(table)
            PROGRAMS[name].settings(children[name])
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    limits = ChildLimits(grace=options["grace"], hang=options["hang_limit"])
    logging_setup.setup("nodeagent", options["log_level"])
    return _run_to_end(lambda: run_command.run(children, _settings(options), limits))


def _program_values(program: Program, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a program that were set on the command line."""
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
    help="Where to send probes. Without a host, here and below: the node's addresses in HOST_IP and "
    "HOST_IPS, or else this machine.",
)
@option(
    "--daemon",
    type=NamedAddress(),
    multiple=True,
    default=[("logd", Address(None, 9166)), ("logcd", Address(None, 9167))],
    help="A daemon and the port of its HTTP pages; may be given several times.",
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
    help="Where logcd puts its archives, with a star for the date.",
)
@option(
    "--archive-every",
    type=Duration("1s", "30d"),
    default=60.0,
    help="The --every of logcd; an archive older than three times this is late.",
)
@option(
    "--log",
    type=click.Path(path_type=Path),
    default=Path("/var/node_log"),
    help="The log that /tail follows.",
)
@common_options
def watch(**options: Any) -> int:  # noqa: ANN401 (as many types as options)
    """Watch the daemons of a node that something else keeps running; start nothing and delete nothing."""
    logging_setup.setup("nodeagent", options["log_level"])
    hosts = _node_hosts()
    collector: Address = options["collector"]
    targets = WatchTargets(
        collector=CollectorAddress((collector.host,) if collector.host else hosts, collector.port),
        daemons=tuple(
            DaemonAddress(name, f"http://{Address(address.host or hosts[0], address.port)}")
            for name, address in options["daemon"]
        ),
        disks=options["disk"],
        archives=options["archives"],
        archive_every=options["archive_every"],
        log=options["log"],
    )
    return _run_to_end(lambda: watch_command.watch(targets, _settings(options)))


def _node_hosts() -> tuple[str, ...]:
    """Return the addresses of the node in HOST_IP and HOST_IPS, or this machine's."""
    try:
        return collector_addresses(None, os.environ)
    except NoHostError:
        return ("127.0.0.1",)
    except ValueError as error:
        raise click.UsageError(f"HOST_IP, HOST_IPS: {error}") from None


def _settings(options: dict[str, Any]) -> Settings:
    return Settings(**{name: options[name] for name in Settings.__slots__})


def _run_to_end(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command and return its exit code: 1 if it cannot listen, or a program's settings do not fit."""
    try:
        return event_loop.run(main)
    except (ListenError, ConfigError) as error:
        LOG.error("%s", error)  # noqa: TRY400 (one line)
        return 1


def main() -> None:
    """Run nodeagent on the arguments of the process."""
    sys.exit(command_line.run(nodeagent))


if __name__ == "__main__":
    main()
