"""The command `logd`: options, environment, exit codes."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from nodelog import __version__
from nodelogd.collector.cli_types import ListenType, LogPath, ModeType, SyncPolicyType
from nodelogd.collector.daemon import collect
from nodelogd.collector.pipeline.sync_schedule import SyncPolicy
from nodelogd.collector.settings import Settings
from nodelogd.collector.store.log_lock import LockedError
from nodelogd.collector.store.log_store import StoreSettings
from nodelogd.service import command_line, event_loop, logging_setup, open_file_limit
from nodelogd.service.files.disk_budget import Budget
from nodelogd.service.listening_sockets import Address, ListenError
from nodelogd.service.option_types import (
    ADDRESS,
    SIZE,
    Count,
    DaemonOption,
    Duration,
    Percentage,
    Size,
)

log = logging.getLogger(__name__)

SPARE_FILES: Final = 128  # file descriptors for everything but connections

option = partial(click.option, cls=DaemonOption)


@click.command("logd", context_settings=command_line.context_settings("LOGD"))
@option(
    "--listen",
    type=ListenType(),
    multiple=True,
    default=[Address(None, 6666)],
    help="Address that accepts lines and RELP; may be given several times. Without a host: all addresses of "
    "the node, IPv4 and IPv6. Port 0 chooses a free port and logs it. With ,framing=nul or "
    ",framing=octet-counting behind it, for senders that do not end their messages with LF, it accepts only "
    "those.",
)
@option(
    "--relp-listen",
    type=ADDRESS,
    multiple=True,
    default=[],
    help="Address that accepts RELP only, also from clients whose first offer is not relp_version; may be "
    "given several times.",
)
@option(
    "--log",
    type=LogPath(path_type=Path),
    default=Path("/var/node_log"),
    help="File to append lines to. A symbolic link is followed; all other files are beside its target.",
)
@option(
    "--http",
    type=ADDRESS,
    multiple=True,
    default=[Address(None, 9166)],
    help="Address that serves /healthz, /readyz, /metrics and /status; may be given several times.",
)
@option(
    "--sync",
    type=SyncPolicyType(),
    default=SyncPolicy(),
    help="When lines are synced to disk: before each acknowledgement, and plain lines within 5 s (batch); at "
    "an interval; or when the kernel chooses (off).",
)
@option(
    "--sync-gap",
    type=Duration("0", "1s"),
    default=0.005,
    help="Minimum time from one sync to the next, to spare the node's disk.",
)
@option(
    "--buffer",
    type=Size("4MiB", "64GiB"),
    default=32 * 1024**2,
    help="Memory that senders can fill. Up to a quarter of it holds unfinished lines; beyond that the "
    "longest are split.",
)
@option(
    "--max-line",
    type=Size("1KiB", "1GiB"),
    default=1024**2,
    help="Longer lines are written in pieces of this size; at most a quarter of --buffer.",
)
@option(
    "--rotate-size",
    type=Size("64KiB", "1TiB"),
    default=256 * 1024**2,
    help="Seal the log before it exceeds this size; one batch, up to 2 MiB, always fits.",
)
@option(
    "--rotate-age",
    type=Duration("1s", "3650d"),
    default=86_400.0,
    help="Seal the log when it reaches this age.",
)
@option(
    "--mode",
    type=ModeType(),
    default=None,
    help="Mode of the log, in octal, set at the start and kept through rotation and compression. Without it, "
    "an existing log keeps its mode, and a new one gets 0640 less the umask. Owner and group are kept.",
)
@option(
    "--keep-bytes",
    type=Size("0", "1024TiB", off=True),
    default=10 * 1024**3,
    help="Maximum size of all sealed files; the oldest are removed first.",
)
@option("--keep-count", type=Count("0", off=True), default=None, help="Maximum number of sealed files.")
@option(
    "--keep-age",
    type=Duration("1s", "36500d", off=True),
    default=None,
    help="Maximum age of sealed files; the newest three are never removed for their age.",
)
@option(
    "--keep-free",
    type=Percentage(off=True),
    default=0.15,
    help="Share of the file system, at least 12 MiB, that is kept free by removing sealed files.",
)
@option(
    "--grace",
    type=Duration("0", "1h"),
    default=25.0,
    help="Time limit for the whole shutdown, and at the start for another logd on the same log to exit.",
)
@option(
    "--linger",
    type=Duration("0", "10m"),
    default=1.0,
    help="Time that the shutdown gives clients to close their connections before they are reset; at most "
    "half of --grace.",
)
@option(
    "--max-connections",
    type=Count("1", "1000000"),
    default=10_000,
    help="Maximum number of open connections; further ones wait and are not accepted.",
)
@option(
    "--idle-timeout",
    type=Duration("1s", "365d", off=True),
    default=None,
    help="Close a connection that has sent nothing for this long.",
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
    help="Minimum level of logd's own messages, on stderr.",
)
@click.version_option(__version__, prog_name="logd", allow_from_autoenv=False)
def logd(**options: Any) -> int:  # noqa: ANN401 (as many types as options)
    """Collect the log lines of a node: receive them over TCP and append them to a file.

    Any program that connects and sends lines is a client: `echo hello | nc $HOST_IP 6666`. Each option is
    also an environment variable.
    """
    _check_max_line(options)
    logging_setup.setup("logd", options["log_level"])
    settings = _settings(options, max_connections=_possible_connections(options["max_connections"]))
    try:
        return event_loop.run(lambda: collect(settings))
    except (ListenError, LockedError) as error:
        log.error("%s", error)  # noqa: TRY400 (one line)
    except OSError as error:
        log.error("cannot use %s: %s; see --log", error.filename or settings.log, error.strerror or error)  # noqa: TRY400 (one line)
    return 1


def _check_max_line(options: dict[str, Any]) -> None:
    if options["max_line"] > (most := options["buffer"] // 4):
        raise click.BadParameter(
            f"{SIZE.to_text(options['max_line'])} is too large; "
            f"allowed is a quarter of --buffer, {SIZE.to_text(most)}",
            click.get_current_context(),
            next(param for param in logd.params if param.name == "max_line"),
        )


def _possible_connections(wanted: int) -> int:
    """Raise the limit of open files for this many connections; return how many it allows."""
    possible = max(1, open_file_limit.raise_file_limit(wanted + SPARE_FILES) - SPARE_FILES)
    if possible < wanted:
        text = (
            "the limit of open files allows %d connections, not the %d of --max-connections; it accepts fewer"
        )
        log.warning(text, possible, wanted)
    return min(possible, wanted)


def _settings(options: dict[str, Any], *, max_connections: int) -> Settings:
    return Settings(
        listen=tuple(options["listen"]),
        relp_listen=tuple(options["relp_listen"]),
        http=tuple(options["http"]),
        log=options["log"],
        store=StoreSettings(
            rotate_size=options["rotate_size"], rotate_age=options["rotate_age"], mode=options["mode"]
        ),
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
        max_connections=max_connections,
        idle_timeout=options["idle_timeout"],
        stamp=options["stamp"],
    )


def main() -> None:
    """Run logd with the arguments of the process."""
    sys.exit(command_line.run(logd))


if __name__ == "__main__":
    main()
