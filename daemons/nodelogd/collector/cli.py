"""The command `logd`: options, environment, exit codes."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from nodelog import __version__, quantities
from nodelogd.collector.daemon import collect
from nodelogd.collector.pipeline.sync_schedule import SyncMode, SyncPolicy
from nodelogd.collector.settings import Settings
from nodelogd.collector.store.log_lock import LockedError
from nodelogd.collector.store.log_store import StoreSettings
from nodelogd.service import command_line, event_loop, logging_setup, open_file_limit
from nodelogd.service.disk_budget import Budget
from nodelogd.service.listening_sockets import Address, ListenError
from nodelogd.service.option_types import (
    ADDRESS,
    SIZE,
    Count,
    DaemonOption,
    Duration,
    OptionType,
    Percentage,
    Size,
)

log = logging.getLogger(__name__)

SHORTEST, LONGEST = 0.01, 3600.0  # seconds of --sync interval
SPARE_FILES: Final = 128  # descriptors for all but connections

option = partial(click.option, cls=DaemonOption)


class Sync(OptionType[SyncPolicy]):
    """`batch`, `interval=1s` or `off`."""

    name = "policy"
    noun = "sync policy"

    def parse(self, text: str) -> SyncPolicy:
        """Take a mode and its interval apart."""
        mode, _, interval = text.partition("=")
        if text in {"batch", "off"}:
            return SyncPolicy(mode=SyncMode[text.upper()])
        if mode != "interval":
            raise ValueError("not a sync policy")
        try:
            seconds = quantities.duration(interval)
        except ValueError:
            raise ValueError("not a sync policy") from None
        if not SHORTEST <= seconds <= LONGEST:
            raise ValueError("too often or too seldom")
        return SyncPolicy(mode=SyncMode.INTERVAL, interval=seconds)

    def to_text(self, value: SyncPolicy) -> str:
        """Write it."""
        mode = value.mode.name.lower()
        return f"{mode}={value.interval:g}s" if value.mode is SyncMode.INTERVAL else mode

    def allowed_values(self) -> str:
        """Say what a policy looks like."""
        return "batch, interval=TIME from 10ms to 1h, and off"


@click.command("logd", context_settings=command_line.context_settings("LOGD"))
@option(
    "--listen",
    type=ADDRESS,
    multiple=True,
    default=[Address(None, 6666)],
    help="Where to take lines and RELP; may be given several times. Without a host on every family the node "
    "has; port 0 takes a free one and says which.",
)
@option(
    "--relp-listen",
    type=ADDRESS,
    multiple=True,
    default=[],
    help="Where to take RELP alone, from clients whose first offer is not relp_version; may be given several "
    "times.",
)
@option(
    "--log",
    type=click.Path(path_type=Path),
    default=Path("/var/node_log"),
    help="The file to append lines to. A symbolic link is followed; everything else lives beside its target.",
)
@option(
    "--http",
    type=ADDRESS,
    multiple=True,
    default=[Address(None, 9166)],
    help="Where to show /healthz, /readyz, /metrics and /status; may be given several times.",
)
@option(
    "--sync",
    type=Sync(),
    default=SyncPolicy(),
    help="When acknowledged lines are synced to the disk: before each acknowledgement, every so often, or "
    "when the kernel likes. Plain lines are synced within 5 s unless it is off.",
)
@option(
    "--sync-gap",
    type=Duration("0", "1s"),
    default=0.005,
    help="Time from one sync to the next at least, to spare the node's disk.",
)
@option(
    "--buffer",
    type=Size("4MiB", "64GiB"),
    default=32 * 1024**2,
    help="Memory that senders can fill. A quarter may be unfinished lines: beyond, the longest are split.",
)
@option(
    "--max-line",
    type=Size("1KiB", "1GiB"),
    default=1024**2,
    help="A longer line is written in pieces of this size; at most a quarter of --buffer.",
)
@option(
    "--rotate-size",
    type=Size("64KiB", "1TiB"),
    default=256 * 1024**2,
    help="The log is sealed before it is larger; one batch, up to 2 MiB, always has room.",
)
@option(
    "--rotate-age",
    type=Duration("1s", "3650d"),
    default=86_400.0,
    help="The log is sealed when it is as old.",
)
@option(
    "--keep-bytes",
    type=Size("0", "1024TiB", off=True),
    default=10 * 1024**3,
    help="Sealed files take as much in all; the oldest go first.",
)
@option("--keep-count", type=Count("0", off=True), default=None, help="As many sealed files are kept.")
@option(
    "--keep-age",
    type=Duration("1s", "36500d", off=True),
    default=None,
    help="Older sealed files are removed, but never the newest three.",
)
@option(
    "--keep-free",
    type=Percentage(off=True),
    default=0.15,
    help="So much of the file system, and 12 MiB at least, is kept free by removing sealed files.",
)
@option(
    "--grace",
    type=Duration("0", "1h"),
    default=25.0,
    help="Time for the whole of the end; also for another logd on the same log to go at the start.",
)
@option(
    "--linger",
    type=Duration("0", "10m"),
    default=1.0,
    help="Time for connections to end by themselves before they are reset; at most half of --grace.",
)
@option(
    "--max-connections",
    type=Count("1", "1000000"),
    default=10_000,
    help="Open connections; beyond, new ones wait unaccepted.",
)
@option(
    "--idle-timeout",
    type=Duration("1s", "365d", off=True),
    default=None,
    help="A connection that has sent nothing for as long is closed.",
)
@option(
    "--stamp/--no-stamp",
    default=False,
    help="Put the time of receipt (RFC 3339, UTC, milliseconds) and the peer's address before each line.",
)
@option(
    "--log-level",
    type=click.Choice(logging_setup.LEVELS),
    default="info",
    help="What logd says of itself, on stderr.",
)
@click.version_option(__version__, prog_name="logd", allow_from_autoenv=False)
def logd(**options: Any) -> int:  # noqa: ANN401 (as many types as options)
    """Collect the log lines of a node: take them over TCP, append them to a file.

    Whoever connects and sends lines is a client: `echo hello | nc $HOST_IP 6666`. Each option is also an
    environment variable.
    """
    if options["max_line"] > (most := options["buffer"] // 4):
        raise click.BadParameter(
            f"{SIZE.to_text(options['max_line'])} is too large; "
            f"allowed is a quarter of --buffer, {SIZE.to_text(most)}",
            click.get_current_context(),
            next(param for param in logd.params if param.name == "max_line"),
        )
    logging_setup.setup("logd", options["log_level"])
    available = open_file_limit.raise_file_limit(options["max_connections"] + SPARE_FILES) - SPARE_FILES
    available = max(1, available)
    if available < options["max_connections"]:
        log.warning(
            "the limit of open files allows %d connections, not the %d of --max-connections; going on",
            available, options["max_connections"],
        )  # fmt: skip
    settings = Settings(
        listen=tuple(options["listen"]),
        relp_listen=tuple(options["relp_listen"]),
        http=tuple(options["http"]),
        log=options["log"],
        store=StoreSettings(rotate_size=options["rotate_size"], rotate_age=options["rotate_age"]),
        sync=replace(options["sync"], gap=options["sync_gap"]),
        keep=Budget(
            max_bytes=options["keep_bytes"],
            max_files=options["keep_count"],
            max_age=options["keep_age"],
            min_free_share=options["keep_free"],
        ),
        buffer=options["buffer"],
        max_line=options["max_line"],
        grace=options["grace"],
        linger=options["linger"],
        max_connections=min(available, options["max_connections"]),
        idle_timeout=options["idle_timeout"],
        stamp=options["stamp"],
    )
    try:
        return event_loop.run(lambda: collect(settings))
    except (ListenError, LockedError) as error:
        log.error("%s", error)  # noqa: TRY400 (one line)
    except OSError as error:
        log.error("cannot use %s: %s; see --log", error.filename or settings.log, error.strerror or error)  # noqa: TRY400 (one line)
    return 1


def main() -> None:
    """Run logd on the arguments of the process."""
    sys.exit(command_line.run(logd))


if __name__ == "__main__":
    main()
