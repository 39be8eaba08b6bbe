"""The values that the options of our daemons take, and how they are shown.

A value is refused with what is allowed instead; `command.py` puts the option's name in front of it.
"""

import re
from abc import abstractmethod
from typing import ClassVar, Final, TypeVar

import click
from click.types import OptionHelpExtra

from nodelog import quantities
from nodelogd.service.listening_sockets import Address

T = TypeVar("T")
Number = TypeVar("Number", int, float)

LONGEST_QUOTE: Final = 80
LAST_PORT: Final = 65535
WHOLE: Final = 100  # per cent
_SIZES: Final = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1))
_TIMES: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))  # in ms
_SHARE: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_ADDRESS: Final = re.compile(r"(?:(?P<host>\*|\[[^\[\]]+\]|[^\[\]:\s]*):)?(?P<port>[0-9]{1,5})")


class Value(click.ParamType[T | None]):
    """What every option of ours has in common: `off` gives None where that is allowed."""

    noun: ClassVar[str]

    def __init__(self, *, off: bool = False) -> None:
        self.off = off

    @abstractmethod
    def read(self, text: str) -> T:
        """Return what `text` stands for, or raise a ValueError that says what is wrong with it."""

    @abstractmethod
    def text(self, value: T) -> str:
        """Write a value as `read` takes it."""

    @abstractmethod
    def allowed(self) -> str:
        """Say which values are taken, `off` left aside."""

    def shown(self, value: T | None) -> str:
        """Write a value, or the lack of one, for people."""
        return "off" if value is None else self.text(value)

    def choices(self) -> str:
        """Say which values are taken."""
        return f"allowed are {self.allowed()}{' or off' if self.off else ''}"

    def convert(
        self, value: T | str | None, param: click.Parameter | None, ctx: click.Context | None
    ) -> T | None:
        """Read what was given as text; a default may be a value already."""
        if not isinstance(value, str):
            return value
        text = value.strip()
        if self.off and text == "off":
            return None
        try:
            return self.read(text)
        except ValueError as error:
            self.fail(f"{_quoted(value)} is {error}; {self.choices()}", param, ctx)


class Quantity(Value[Number]):
    """A number, usually with a unit, between two bounds which are written as people write them."""

    anything: ClassVar[str]

    def __init__(self, at_least: str = "", at_most: str = "", *, off: bool = False) -> None:
        super().__init__(off=off)
        self._least: Number | None = self.number(at_least) if at_least else None
        self._most: Number | None = self.number(at_most) if at_most else None

    @abstractmethod
    def number(self, text: str) -> Number:
        """Return the number that `text` stands for, or raise a ValueError."""

    def read(self, text: str) -> Number:
        """Return the number that `text` stands for if it is within the bounds."""
        try:
            number = self.number(text)
        except ValueError:
            raise ValueError(f"not a {self.noun}") from None
        if self._least is not None and number < self._least:
            raise ValueError("too small")
        if self._most is not None and number > self._most:
            raise ValueError("too large")
        return number

    def allowed(self) -> str:
        """Say which numbers are taken."""
        match self._least, self._most:
            case None, None:
                return self.anything
            case least, None if least is not None:
                return f"{self.text(least)} and more"
            case None, most if most is not None:
                return f"up to {self.text(most)}"
            case least, most:
                return f"{self.shown(least)} to {self.shown(most)}"


class Size(Quantity[int]):
    """`64KiB`: bytes."""

    name = "size"
    noun = "size"
    anything = "bytes, or KiB, MiB, GiB and TiB, such as 64KiB"

    def number(self, text: str) -> int:
        """Return the bytes that `text` stands for."""
        return quantities.size(text)

    def text(self, value: int) -> str:
        """Write so many bytes in the largest unit that fits without a fraction."""
        return next(
            (f"{value // scale}{unit}" for unit, scale in _SIZES if value % scale == 0 and value), "0B"
        )


class Duration(Quantity[float]):
    """`500ms`, `7d`: seconds."""

    name = "duration"
    noun = "time"
    anything = "seconds, or ms, s, m, h and d, such as 15s"

    def number(self, text: str) -> float:
        """Return the seconds that `text` stands for."""
        return quantities.duration(text)

    def text(self, value: float) -> str:
        """Write so many seconds, to the millisecond, in the largest unit that fits without a fraction."""
        thousandths = round(value * 1000)
        return next(
            (
                f"{thousandths // scale}{unit}"
                for unit, scale in _TIMES
                if thousandths % scale == 0 and thousandths
            ),
            "0s",
        )


class Share(Quantity[float]):
    """`15%`: 0.15."""

    name = "share"
    noun = "share"
    anything = "0% to 100%"

    def number(self, text: str) -> float:
        """Return the part of one that `text` stands for."""
        found = _SHARE.fullmatch(text)
        if found is None or float(found[1]) > WHOLE:
            raise ValueError(text)
        return float(found[1]) / WHOLE

    def text(self, value: float) -> str:
        """Write a part of one in per cent."""
        return f"{value * WHOLE:.8g}%"


class Count(Quantity[int]):
    """`10000`: how many."""

    name = "count"
    noun = "whole number"
    anything = "whole numbers"

    def number(self, text: str) -> int:
        """Return the number that `text` stands for; ASCII digits, as everywhere."""
        if _DIGITS.fullmatch(text) is None:
            raise ValueError(text)
        return int(text)

    def text(self, value: int) -> str:
        """Write it."""
        return str(value)


class Listening(Value[Address]):
    """`6666`, `:6666`, `*:6666`, `10.0.0.1:6666`, `[::1]:6666`, `localhost:6666`."""

    name = "[host:]port"
    noun = "address"

    def read(self, text: str) -> Address:
        """Take a host and a port apart."""
        found = _ADDRESS.fullmatch(text)
        if found is None or int(found["port"]) > LAST_PORT:
            raise ValueError("not an address")
        host = found["host"] or "*"
        return Address(None if host == "*" else host.strip("[]"), int(found["port"]))

    def text(self, value: Address) -> str:
        """Write it."""
        return str(value)

    def allowed(self) -> str:
        """Say what an address looks like."""
        return "PORT, HOST:PORT or [IPV6]:PORT, a port from 0 (a free one) to 65535"


SIZE: Final = Size("64KiB", "1TiB")
ADDRESS: Final = Listening()


class Option(click.Option):
    """An option whose help names its variable, its range and its default, all as people write them."""

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Say what stands in brackets behind the help text."""
        extra = super().get_help_extra(ctx)
        extra["envvars"] = (variable(self, ctx),)
        if isinstance(self.type, Quantity):
            extra["range"] = self.type.choices().removeprefix("allowed are ")
        if isinstance(self.type, Value) and (self.default is None or not callable(self.default)):
            several = self.default if isinstance(self.default, (list, tuple)) else (self.default,)
            extra["default"] = ", ".join(v if isinstance(v, str) else self.type.shown(v) for v in several)
        return extra


def variable(param: click.Parameter, ctx: click.Context) -> str:
    """Return the name of the environment variable that stands for an option."""
    return f"{ctx.auto_envvar_prefix}_{param.name}".upper()


def _quoted(value: str) -> str:
    """Quote on one line, and not more than an operator needs to find it."""
    return repr(value if len(value) <= LONGEST_QUOTE else f"{value[:LONGEST_QUOTE]}…")
