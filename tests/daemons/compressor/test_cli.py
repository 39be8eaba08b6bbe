"""The options of logcd: what they take, what they become. What is behind them is `test_daemon.py`'s."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest

from nodelog import __version__
from nodelogd.compressor import cli
from nodelogd.compressor.settings import Settings
from nodelogd.service import command_line, logging_setup
from nodelogd.service.disk_budget import Budget
from nodelogd.service.listening_sockets import Address, ListenError


class Started:
    """What would be run."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.settings: list[Settings] = []
        self.once: list[Settings] = []
        self.fails: Exception | None = None

    async def compress(self, settings: Settings) -> int:
        """Stand for the daemon."""
        await asyncio.sleep(0)
        self.settings.append(settings)
        if self.fails:
            raise self.fails
        return 0

    def make_one(self, settings: Settings) -> int:
        """Stand for one cycle."""
        self.once.append(settings)
        return 3


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Run the command line with nothing behind it, and nothing done to this process."""
    made = Started()
    monkeypatch.setattr(cli, "compress", made.compress)
    monkeypatch.setattr(cli, "once", made.make_one)
    monkeypatch.setattr(logging_setup, "setup", lambda *_: None)
    return made


def settings_of(started: Started, *arguments: str) -> Settings:
    assert command_line.run(cli.logcd, arguments) == 0
    return started.settings[-1]


def test_without_options_everything_is_as_documented(started: Started) -> None:
    assert settings_of(started) == Settings(
        directory=Path("/var/log"),
        include=("*.log",),
        exclude=(),
        follow_links=False,
        out=Path("/var/log"),
        name="all-logs-{date}.tar.gz",
        mode=0o600,
        zone=UTC,
        every=60.0,
        scrub=86_400.0,
        keep=Budget(max_bytes=None, max_files=7, max_age=None, min_free_share=0.15, always_kept=1),
        http=(Address(None, 9167),),
    )


def test_every_option_arrives(started: Started) -> None:
    text = """
        --dir /data --include **/*.log --include x --exclude debug/** --follow-links --out /archives
        --name logs-{date}.tgz --mode 640 --tz Europe/Berlin --every 5m --scrub off --keep-count off
        --keep-bytes 1GiB --keep-age 30d --keep-free 5% --http 127.0.0.1:8080 --log-level error
    """
    assert settings_of(started, *text.split()) == Settings(
        directory=Path("/data"),
        include=("**/*.log", "x"),
        exclude=("debug/**",),
        follow_links=True,
        out=Path("/archives"),
        name="logs-{date}.tgz",
        mode=0o640,
        zone=ZoneInfo("Europe/Berlin"),
        every=300.0,
        scrub=None,
        keep=Budget(
            max_bytes=1024**3, max_files=None, max_age=30 * 86_400.0, min_free_share=0.05, always_kept=1
        ),
        http=(Address("127.0.0.1", 8080),),
    )


def test_archives_go_where_the_logs_are(started: Started) -> None:
    assert settings_of(started, "--dir=/data/").out == Path("/data")


def test_directories_are_absolute_and_have_no_way_up(started: Started) -> None:
    settings = settings_of(started, "--dir=a/../b", "--out=c/")
    assert (settings.directory, settings.out) == (Path.cwd() / "b", Path.cwd() / "c")


def test_once_is_one_cycle_and_gives_its_exit_code(started: Started) -> None:
    assert command_line.run(cli.logcd, ["--once", "--dir=/data"]) == 3
    assert [settings.directory for settings in started.once] == [Path("/data")]
    assert started.settings == []


def test_every_option_is_an_environment_variable_and_is_in_the_help(
    started: Started, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGCD_DIR", "/data")
    monkeypatch.setenv("LOGCD_INCLUDE", "*.log pods/**/*.log")
    monkeypatch.setenv("LOGCD_ONCE", "1")
    monkeypatch.setenv("LOGCD_VERSION", "meant for somebody else")
    assert command_line.run(cli.logcd, []) == 3
    (settings,) = started.once
    assert settings.directory == Path("/data")
    assert settings.include == ("*.log", "pods/**/*.log")
    capsys.readouterr()
    assert command_line.run(cli.logcd, ["--help"]) == 0
    text = capsys.readouterr().out
    for param in cli.logcd.params:
        if isinstance(param, click.Option) and param.name not in {"help", "version"}:
            assert f"{param.opts[-1]} " in text
            assert re.search(rf"env\s+var:\s+LOGCD_{str(param.name).upper()}\b", text), param.name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--include", "/var/log/*"],
            "--include: '/var/log/*' is not relative to --dir; allowed are patterns",
        ),
        (
            ["--exclude", "a//b"],
            "--exclude: 'a//b' is not a pattern: a part of it is empty, . or ..; allowed",
        ),
        (
            ["--name", "a/b"],
            "--name: 'a/b' is not the name of a file; allowed are names of files of up to 200",
        ),
        (
            ["--name", "{day}"],
            "--name: '{day}' is not a name: of braces it may have {date}, once; allowed are",
        ),
        (["--mode", "rw"], "--mode: 'rw' is not a mode; allowed are octal digits from 0400 to 0777"),
        (["--mode", "0888"], "--mode: '0888' is not a mode; allowed are octal digits"),
        (["--mode", "0044"], "--mode: '0044' is not readable for logcd itself; allowed are octal digits"),
        (["--tz", "Mars/Base"], "--tz: 'Mars/Base' is not a time zone of this system; allowed are UTC and"),
        (["--tz", "../x"], "--tz: '../x' is not a time zone of this system; allowed are UTC and"),
        (["--tz", ""], "--tz: '' is not a time zone of this system; allowed are UTC and"),
        (["--every", "1ms"], "--every: '1ms' is too small; allowed are 100ms to 1d"),
        (["--scrub", "0"], "--scrub: '0' is too small; allowed are 1s to 3650d or off"),
        (["--keep-count", "0"], "--keep-count: '0' is too small; allowed are 1 and more or off"),
        (["--keep-bytes", "much"], "--keep-bytes: 'much' is not a size; allowed are 0B to 1024TiB or off"),
        (["--keep-age", "1ms"], "--keep-age: '1ms' is too small; allowed are 1s to 36500d or off"),
        (["--keep-free", "101%"], "--keep-free: '101%' is not a share; allowed are 0% to 100% or off"),
        (["--http", "70000"], "--http: '70000' is not an address; allowed are PORT, HOST:PORT or"),
        (["--log-level", "loud"], "--log-level: 'loud' is not one of 'debug', 'info', 'warning', 'error'"),
        (["--once=yes"], "--once: takes no value"),
    ],
)
def test_a_wrong_value_is_one_line_with_what_is_allowed_and_exit_2(
    started: Started, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run(cli.logcd, arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), started.settings) == ("", 1, [])
    assert err.startswith(f"logcd: {message}")


def test_a_port_that_is_taken_is_one_line_and_exit_1(
    started: Started, caplog: pytest.LogCaptureFixture
) -> None:
    started.fails = ListenError(98, "port 1 on ::1 is taken")
    assert command_line.run(cli.logcd, []) == 1
    assert caplog.messages == ["port 1 on ::1 is taken"]
    assert caplog.records[0].exc_info is None


def test_it_says_which_version_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run(cli.logcd, ["--version"]) == 0
    assert capsys.readouterr().out == f"logcd, version {__version__}\n"
