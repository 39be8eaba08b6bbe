"""The option types that only logd has."""

from __future__ import annotations

import os
import re
import stat
from typing import Any, Final

import click

from nodelog import quantities
from nodelogd.collector.network.framing.decoders import Framing
from nodelogd.collector.pipeline.sync_schedule import SyncMode, SyncPolicy
from nodelogd.collector.settings import FramedAddress
from nodelogd.service.listening_sockets import Address
from nodelogd.service.option_types import ADDRESS, OptionType

FRAMINGS: Final = [framing.value for framing in Framing]
STREAM: Final = re.compile(r"/dev/(?:std(?:in|out|err)|fd/.*)|/proc/.*")
KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
OWNER_MODE: Final = 0o600  # what every mode must contain
MIN_INTERVAL: Final = 0.01  # seconds
MAX_INTERVAL: Final = 3600.0  # seconds


class ListenType(OptionType[Address]):
    """An address, and perhaps the framing of the lines received there: `6667,framing=nul`."""

    name = "[host:]port[,framing=…]"
    noun = "address"

    def parse(self, text: str) -> Address:
        """Parse an address and a framing."""
        address, separator, option = text.partition(",")
        parsed = ADDRESS.parse(address)
        if not separator:
            return parsed
        name, _, framing = option.partition("=")
        if name != "framing" or framing not in FRAMINGS:
            raise ValueError("an address with an unknown framing")
        if framing == Framing.LF.value:
            return parsed
        return FramedAddress(parsed.host, parsed.port, Framing(framing))

    def to_text(self, value: Address) -> str:
        """Return an address as the option accepts it."""
        framing = f",framing={value.framing.value}" if isinstance(value, FramedAddress) else ""
        return f"{value}{framing}"

    def allowed_values(self) -> str:
        """Describe the forms of an address and the framings."""
        return f"{ADDRESS.allowed_values()}, with ,framing= and {', '.join(FRAMINGS)} behind it if wanted"


class LogPath(click.Path):
    """The path of the log: a regular file, or one that does not exist yet."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:  # noqa: ANN401 (as click has it)
        """Return the path; fail for anything that can neither be renamed nor read again after a crash."""
        if kind := _kind_of_no_file(os.fspath(value)):
            text = f"{os.fspath(value)!r} is {kind}, and lines are kept in a file that is rotated; "
            self.fail(f"{text}allowed is the path of a regular file, which may not exist yet", param, ctx)
        return super().convert(value, param, ctx)


def _kind_of_no_file(path: str) -> str:
    """Return what a path leads to; empty for a regular file, or if that cannot be known."""
    if STREAM.fullmatch(os.path.abspath(path)):  # noqa: PTH100 (must not follow links)
        return "a stream of the process"
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (a text, as it was typed)
    except OSError:  # missing, or reported when it is opened
        return ""
    return next((kind for is_kind, kind in KINDS if is_kind(mode)), "")


class ModeType(OptionType[int]):
    """The mode of a file in octal digits: `644` or `0644`."""

    name = "mode"
    noun = "file mode"

    def parse(self, text: str) -> int:
        """Parse a mode, which must let its owner read and write."""
        if re.fullmatch(r"0?[0-7]{3}", text) is None:
            raise ValueError("not a file mode")
        mode = int(text, 8)
        if mode & OWNER_MODE != OWNER_MODE:
            raise ValueError("a mode with which logd could not read and write its own log")
        return mode

    def to_text(self, value: int) -> str:
        """Return a mode as the option accepts it."""
        return f"{value:04o}"

    def allowed_values(self) -> str:
        """Describe the allowed modes."""
        return "octal modes from 0600 to 0777, such as 0644"


class SyncPolicyType(OptionType[SyncPolicy]):
    """`batch`, `interval=1s` or `off`."""

    name = "policy"
    noun = "sync policy"

    def parse(self, text: str) -> SyncPolicy:
        """Parse a mode and its interval."""
        mode, _, interval = text.partition("=")
        if text in {"batch", "off"}:
            return SyncPolicy(mode=SyncMode[text.upper()])
        if mode != "interval":
            raise ValueError("not a sync policy")
        try:
            seconds = quantities.parse_duration(interval)
        except ValueError:
            raise ValueError("not a sync policy") from None
        if not MIN_INTERVAL <= seconds <= MAX_INTERVAL:
            raise ValueError("out of range")
        return SyncPolicy(mode=SyncMode.INTERVAL, interval=seconds)

    def to_text(self, value: SyncPolicy) -> str:
        """Return a policy as the option accepts it."""
        mode = value.mode.name.lower()
        return f"{mode}={value.interval:g}s" if value.mode is SyncMode.INTERVAL else mode

    def allowed_values(self) -> str:
        """Describe the allowed policies."""
        return "batch, interval=TIME from 10ms to 1h, and off"
