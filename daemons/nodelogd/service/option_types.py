"""The types of our daemons' options: how values are parsed, checked and displayed.

The error for a wrong value says what is allowed; `command_line.py` puts the option's name in front of it.
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

MAX_QUOTED: Final = 80
MAX_PORT: Final = 65535
PERCENT: Final = 100
_SIZES: Final = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1))
_TIMES: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))  # in ms
_PERCENTAGE: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_ADDRESS: Final = re.compile(r"(?:(?P<host>\*|\[[^\[\]]+\]|[^\[\]:\s]*):)?(?P<port>[0-9]{1,5})")


class OptionType(click.ParamType[T | None]):
    """The type of an option. With `off`, the value `off` is allowed and is parsed as None."""

    noun: ClassVar[str]

    def __init__(self, *, off: bool = False) -> None:
        self.off = off

    @abstractmethod
    def parse(self, text: str) -> T:
        """Parse a value; raise a ValueError that says what is wrong with it."""

    @abstractmethod
    def to_text(self, value: T) -> str:
        """Return a value in the form that `parse` accepts."""

    @abstractmethod
    def allowed_values(self) -> str:
        """Describe the allowed values, except `off`."""

    def display(self, value: T | None) -> str:
        """Return a value for people; `off` for None."""
        return "off" if value is None else self.to_text(value)

    def allowed_message(self) -> str:
        """Describe the allowed values."""
        return f"allowed are {self.allowed_values()}{' or off' if self.off else ''}"

    def convert(
        self, value: T | str | None, param: click.Parameter | None, ctx: click.Context | None
    ) -> T | None:
        """Parse text; a default may already be a value."""
        if not isinstance(value, str):
            return value
        text = value.strip()
        if self.off and text == "off":
            return None
        try:
            return self.parse(text)
        except ValueError as error:
            self.fail(f"{_quoted(value)} is {error}; {self.allowed_message()}", param, ctx)


class BoundedQuantity(OptionType[Number]):
    """A number, usually with a unit, between two optional bounds, which are texts such as `64KiB`."""

    unbounded: ClassVar[str]
    """Describes the allowed values if there are no bounds."""

    def __init__(self, at_least: str = "", at_most: str = "", *, off: bool = False) -> None:
        super().__init__(off=off)
        self._least: Number | None = self.parse_number(at_least) if at_least else None
        self._most: Number | None = self.parse_number(at_most) if at_most else None

    @abstractmethod
    def parse_number(self, text: str) -> Number:
        """Parse a number; raise a ValueError if it is not one."""

    def parse(self, text: str) -> Number:
        """Parse a number and check that it is within the bounds."""
        try:
            number = self.parse_number(text)
        except ValueError:
            raise ValueError(f"not a {self.noun}") from None
        if self._least is not None and number < self._least:
            raise ValueError("too small")
        if self._most is not None and number > self._most:
            raise ValueError("too large")
        return number

    def allowed_values(self) -> str:
        """Describe the bounds."""
        match self._least, self._most:
            case None, None:
                return self.unbounded
            case least, None if least is not None:
                return f"{self.to_text(least)} and more"
            case None, most if most is not None:
                return f"up to {self.to_text(most)}"
            case least, most:
                return f"{self.display(least)} to {self.display(most)}"


class Size(BoundedQuantity[int]):
    """A size such as `64KiB`; the value is in bytes."""

    name = "size"
    noun = "size"
    unbounded = "bytes, or KiB, MiB, GiB and TiB, such as 64KiB"

    def parse_number(self, text: str) -> int:
        """Parse a size into bytes."""
        return quantities.parse_size(text)

    def to_text(self, value: int) -> str:
        """Return a size in the largest unit that needs no fraction."""
        return next(
            (f"{value // scale}{unit}" for unit, scale in _SIZES if value % scale == 0 and value), "0B"
        )


class Duration(BoundedQuantity[float]):
    """A time such as `500ms` or `7d`; the value is in seconds."""

    name = "duration"
    noun = "time"
    unbounded = "seconds, or ms, s, m, h and d, such as 15s"

    def parse_number(self, text: str) -> float:
        """Parse a time into seconds."""
        return quantities.parse_duration(text)

    def to_text(self, value: float) -> str:
        """Return a time, rounded to milliseconds, in the largest unit that needs no fraction."""
        milliseconds = round(value * 1000)
        return next(
            (
                f"{milliseconds // scale}{unit}"
                for unit, scale in _TIMES
                if milliseconds % scale == 0 and milliseconds
            ),
            "0s",
        )


class Percentage(BoundedQuantity[float]):
    """A percentage such as `15%`; the value is the fraction, 0.15."""

    name = "share"
    noun = "share"
    unbounded = "0% to 100%"

    def parse_number(self, text: str) -> float:
        """Parse a percentage into a fraction."""
        found = _PERCENTAGE.fullmatch(text)
        if found is None or float(found[1]) > PERCENT:
            raise ValueError(text)
        return float(found[1]) / PERCENT

    def to_text(self, value: float) -> str:
        """Return a fraction as a percentage."""
        return f"{value * PERCENT:.8g}%"


class Count(BoundedQuantity[int]):
    """A whole number such as `10000`."""

    name = "count"
    noun = "whole number"
    unbounded = "whole numbers"

    def parse_number(self, text: str) -> int:
        """Parse a whole number, of ASCII digits only as in all options."""
        if _DIGITS.fullmatch(text) is None:
            raise ValueError(text)
        return int(text)

    def to_text(self, value: int) -> str:
        """Return the number's digits."""
        return str(value)


class ListenAddress(OptionType[Address]):
    """An address: `6666`, `:6666`, `*:6666`, `10.0.0.1:6666`, `[::1]:6666` or `localhost:6666`."""

    name = "[host:]port"
    noun = "address"

    def parse(self, text: str) -> Address:
        """Parse an address; without a host, or with `*`, its host is None."""
        found = _ADDRESS.fullmatch(text)
        if found is None or int(found["port"]) > MAX_PORT:
            raise ValueError("not an address")
        host = found["host"] or "*"
        return Address(None if host == "*" else host.strip("[]"), int(found["port"]))

    def to_text(self, value: Address) -> str:
        """Return `host:port`."""
        return str(value)

    def allowed_values(self) -> str:
        """Describe the forms of an address."""
        return "PORT, HOST:PORT or [IPV6]:PORT, a port from 0 (a free one) to 65535"


SIZE: Final = Size("64KiB", "1TiB")
ADDRESS: Final = ListenAddress()


class DaemonOption(click.Option):
    """An option whose help shows its environment variable, range and default in the form that users type."""

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Return what click shows in brackets after the help text."""
        extra = super().get_help_extra(ctx)
        extra["envvars"] = (environment_variable(self, ctx),)
        if isinstance(self.type, BoundedQuantity):
            extra["range"] = self.type.allowed_message().removeprefix("allowed are ")
        if isinstance(self.type, OptionType) and (self.default is None or not callable(self.default)):
            defaults = self.default if isinstance(self.default, (list, tuple)) else (self.default,)
            extra["default"] = ", ".join(v if isinstance(v, str) else self.type.display(v) for v in defaults)
        return extra


def environment_variable(param: click.Parameter, ctx: click.Context) -> str:
    """Return the name of the environment variable for an option."""
    return f"{ctx.auto_envvar_prefix}_{param.name}".upper()


def _quoted(value: str) -> str:
    """Quote a value on one line, shortened to what an operator needs to find it."""
    return repr(value if len(value) <= MAX_QUOTED else f"{value[:MAX_QUOTED]}…")
