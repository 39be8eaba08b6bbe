"""The options of both commands: how often to check, and where to show the results."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from nodeagent.settings import DEFAULT_HTTP, DEFAULT_TAIL
from nodelogd.service import logging_setup
from nodelogd.service.listening_sockets import Address
from nodelogd.service.option_types import ADDRESS, DaemonOption, Duration, OptionType

if TYPE_CHECKING:
    from collections.abc import Callable

option = partial(click.option, cls=DaemonOption)


class NamedAddress(OptionType[tuple[str, Address]]):
    """The name and the address of a daemon, such as `logd=10.0.0.1:9166`."""

    name = "name=[host:]port"
    noun = "daemon"

    def parse(self, text: str) -> tuple[str, Address]:
        """Parse a name and an address."""
        name, _, address = text.partition("=")
        if not name.isidentifier():
            raise ValueError("not a daemon")
        return name, ADDRESS.parse(address)

    def to_text(self, value: tuple[str, Address]) -> str:
        """Write a value as `parse` accepts it."""
        return f"{value[0]}={str(value[1]).removeprefix('*:')}"

    def allowed_values(self) -> str:
        """Return the accepted forms."""
        return "NAME=PORT, NAME=HOST:PORT or NAME=[IPV6]:PORT"


COMMON_OPTIONS: Final = (
    option(
        "--http",
        type=ADDRESS,
        multiple=True,
        default=[DEFAULT_HTTP],
        help="Where to serve /healthz, /readyz, /metrics and /status; may be given several times.",
    ),
    option(
        "--tail",
        type=ADDRESS,
        multiple=True,
        default=[DEFAULT_TAIL],
        help="Where to serve /tail, to clients that have the token; may be given several times.",
    ),
    option(
        "--tail-token",
        type=click.Path(path_type=Path),
        default=None,
        help="The file that holds the token for /tail. Without it there is no /tail.",
    ),
    option(
        "--canary-every",
        type=Duration("100ms", "1h"),
        default=15.0,
        help="Interval of the probes of the collector; a 15th of it while they fail.",
    ),
    option(
        "--look-every",
        type=Duration("100ms", "1h"),
        default=15.0,
        help="Interval of the checks of daemons, disks and archives; a 15th of it while they find something "
        "wrong.",
    ),
    option(
        "--verify-every",
        type=Duration("1s", "30d"),
        default=3600.0,
        help="Interval of the verifications of the newest archive.",
    ),
    option(
        "--growth-window",
        type=Duration("1s", "30d"),
        default=3600.0,
        help="Time over which the growth of a file system is measured.",
    ),
    option(
        "--log-level",
        type=click.Choice(logging_setup.LEVELS),
        default="info",
        help="What nodeagent logs about itself and its children, on stderr.",
    ),
)


def common_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add the options of both commands."""
    for decorate in reversed(COMMON_OPTIONS):
        function = decorate(function)
    return function
