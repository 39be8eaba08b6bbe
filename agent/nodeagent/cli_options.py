"""The options that both commands have: how to look, and where to show it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from nodeagent.settings import HTTP, TAIL
from nodelogd.service import logging_setup
from nodelogd.service.listening_sockets import Address
from nodelogd.service.option_types import ADDRESS, DaemonOption, Duration, OptionType

if TYPE_CHECKING:
    from collections.abc import Callable

option = partial(click.option, cls=DaemonOption)


class Daemon(OptionType[tuple[str, Address]]):
    """`logd=10.0.0.1:9166`."""

    name = "name=[host:]port"
    noun = "daemon"

    def parse(self, text: str) -> tuple[str, Address]:
        """Take a name and an address apart."""
        name, _, address = text.partition("=")
        if not name.isidentifier():
            raise ValueError("not a daemon")
        return name, ADDRESS.parse(address)

    def to_text(self, value: tuple[str, Address]) -> str:
        """Write it."""
        return f"{value[0]}={str(value[1]).removeprefix('*:')}"

    def allowed_values(self) -> str:
        """Say what it looks like."""
        return "NAME=PORT, NAME=HOST:PORT or NAME=[IPV6]:PORT"


EYES: Final = (
    option(
        "--http",
        type=ADDRESS,
        multiple=True,
        default=[HTTP],
        help="Where to show /healthz, /readyz, /metrics and /status; may be given several times.",
    ),
    option(
        "--tail",
        type=ADDRESS,
        multiple=True,
        default=[TAIL],
        help="Where to show /tail, to those who have the token; may be given several times.",
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
        help="Time from one probe to the next; a 15th of it while probes fail.",
    ),
    option(
        "--look-every",
        type=Duration("100ms", "1h"),
        default=15.0,
        help="Time from one look at daemons, disks and archives to the next; a 15th of it while something is "
        "wrong with them.",
    ),
    option(
        "--verify-every",
        type=Duration("1s", "30d"),
        default=3600.0,
        help="Time from one verification of the newest archive to the next.",
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
        help="What nodeagent says of itself and of its children, on stderr.",
    ),
)


def eyes(function: Callable[..., int]) -> Callable[..., int]:
    """Add the options that both commands have."""
    for decorate in reversed(EYES):
        function = decorate(function)
    return function
