"""Option types: which values they accept, their error messages, and how values are displayed."""

from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from nodelogd.service.command_line import context_settings
from nodelogd.service.listening_sockets import Address
from nodelogd.service.option_types import (
    ADDRESS,
    SIZE,
    Count,
    DaemonOption,
    Duration,
    ListenAddress,
    OptionType,
    Percentage,
    Size,
)

DURATION = Duration("500ms", "7d")
SHARE = Percentage()


def refusal(kind: OptionType[Any], text: str) -> str:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    return caught.value.message


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (SIZE, "64KiB", 65536),
        (SIZE, "1TiB", 1 << 40),
        (SIZE, " 1MiB ", 1 << 20),
        (DURATION, "500ms", 0.5),
        (DURATION, "7d", 604800.0),
        (SHARE, "15%", 0.15),
        (SHARE, "0%", 0.0),
        (SHARE, "12.5 %", 0.125),
        (Count("1"), "10000", 10000),
        (ADDRESS, "6666", Address(None, 6666)),
        (ADDRESS, ":6666", Address(None, 6666)),
        (ADDRESS, "*:0", Address(None, 0)),
        (ADDRESS, "127.0.0.1:6666", Address("127.0.0.1", 6666)),
        (ADDRESS, "localhost:6666", Address("localhost", 6666)),
        (ADDRESS, "[::1]:6666", Address("::1", 6666)),
        (ADDRESS, "[fe80::1%eth0]:6666", Address("fe80::1%eth0", 6666)),
    ],
)
def test_values_are_parsed_as_people_write_them(kind: OptionType[Any], text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (SIZE, "7 bananas", "'7 bananas' is not a size; allowed are 64KiB to 1TiB"),
        (SIZE, "1KiB", "'1KiB' is too small; allowed are 64KiB to 1TiB"),
        (SIZE, "2TiB", "'2TiB' is too large; allowed are 64KiB to 1TiB"),
        (SIZE, "", "'' is not a size; allowed are 64KiB to 1TiB"),
        (SIZE, "1\nMiB", r"'1\nMiB' is not a size; allowed are 64KiB to 1TiB"),
        (Size("1MiB", off=True), "1B", "'1B' is too small; allowed are 1MiB and more or off"),
        (DURATION, "8d", "'8d' is too large; allowed are 500ms to 7d"),
        (DURATION, "-1s", "'-1s' is not a time; allowed are 500ms to 7d"),
        (DURATION, "off", "'off' is not a time; allowed are 500ms to 7d"),
        (DURATION, "inf", "'inf' is not a time; allowed are 500ms to 7d"),
        (SHARE, "101%", "'101%' is not a share; allowed are 0% to 100%"),
        (SHARE, "0.15", "'0.15' is not a share; allowed are 0% to 100%"),
        (Count("1", "9"), "0", "'0' is too small; allowed are 1 to 9"),
        (Count("", "9"), "10", "'10' is too large; allowed are up to 9"),
        (Count(), "٣", "'٣' is not a whole number; allowed are whole numbers"),
        (Count("1"), "1e3", "'1e3' is not a whole number; allowed are 1 and more"),
    ],
)
def test_a_wrong_value_is_refused_with_the_allowed_ones(
    kind: OptionType[Any], text: str, message: str
) -> None:
    assert refusal(kind, text) == message


@pytest.mark.parametrize(
    "text", ["", ":", "x", "::1:6666", "[::1]", "1:65536", "a b:1", "h:-1", "[]:1", "h:٣"]
)
def test_a_wrong_address_is_refused(text: str) -> None:
    assert "is not an address; allowed are PORT, HOST:PORT or [IPV6]:PORT" in refusal(ADDRESS, text)


def test_a_huge_wrong_value_is_shortened() -> None:
    assert len(refusal(SIZE, "x" * 1_000_000)) < 200


def test_off_is_none_where_it_is_allowed() -> None:
    assert Duration("1s", off=True).convert("off", None, None) is None
    assert ListenAddress(off=True).convert("off", None, None) is None


@given(st.integers(min_value=0, max_value=1 << 50))
def test_a_displayed_size_can_be_parsed(size: int) -> None:
    assert Size().convert(Size().to_text(size), None, None) == size


@given(st.integers(min_value=0, max_value=10_000_000_000))
def test_a_displayed_time_can_be_parsed(milliseconds: int) -> None:
    shown = Duration().to_text(milliseconds / 1000)
    assert Duration().convert(shown, None, None) == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize("text", ["*:6666", "127.0.0.1:1", "[::1]:6666", "localhost:0"])
def test_a_displayed_address_can_be_parsed(text: str) -> None:
    assert str(ADDRESS.convert(text, None, None)) == text


@click.command("logd", context_settings=context_settings("LOGD"))
@click.option("--buffer", cls=DaemonOption, type=SIZE, default=33554432, help="Held bytes.")
@click.option("--idle-timeout", cls=DaemonOption, type=Duration("1s", off=True), default=None, help="Idle.")
@click.option("--keep-free", cls=DaemonOption, type=SHARE, default=0.15, help="Free.")
@click.option(
    "--listen", cls=DaemonOption, type=ADDRESS, multiple=True, default=["6666", "[::1]:1"], help="Where."
)
@click.option(
    "--log-level", cls=DaemonOption, type=click.Choice(["info", "error"]), default="info", help="Level."
)
@click.option("--stamp", cls=DaemonOption, is_flag=True, help="Stamp.")
def shown(**_: object) -> None:
    """Stand in for a daemon with every kind of option."""


@pytest.mark.parametrize(
    "text",
    [
        "Held bytes. [env var: LOGD_BUFFER; default: 32MiB; 64KiB to 1TiB]",
        "Idle. [env var: LOGD_IDLE_TIMEOUT; default: off; 1s and more or off]",
        "Free. [env var: LOGD_KEEP_FREE; default: 15%; 0% to 100%]",
        "Where. [env var: LOGD_LISTEN; default: 6666, [::1]:1]",
        "Level. [env var: LOGD_LOG_LEVEL; default: info]",
        "Stamp. [env var: LOGD_STAMP]",
    ],
)
def test_the_help_shows_variable_default_and_range_with_units(text: str) -> None:
    assert text in " ".join(CliRunner().invoke(shown, ["--help"], prog_name="logd").output.split())
