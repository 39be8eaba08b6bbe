"""The options of logcd: allowed values and resulting settings. `test_daemon.py` tests their effect."""

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
from nodelogd.service.files.disk_budget import Budget
from nodelogd.service.listening_sockets import Address, ListenError


class FakePrograms:
    """Stands in for the daemon and for `--once`, and records the settings they get."""

    def __init__(self) -> None:
        """Start with nothing recorded."""
        self.daemon_settings: list[Settings] = []
        self.once_settings: list[Settings] = []
        self.error: Exception | None = None

    async def run_daemon(self, settings: Settings) -> int:
        """Stand in for the daemon."""
        await asyncio.sleep(0)
        self.daemon_settings.append(settings)
        if self.error:
            raise self.error
        return 0

    def run_once(self, settings: Settings) -> int:
        """Stand in for one cycle."""
        self.once_settings.append(settings)
        return 3


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    """Replace the programs behind the command line, and leave the logging of this process alone."""
    programs = FakePrograms()
    monkeypatch.setattr(cli, "run_daemon", programs.run_daemon)
    monkeypatch.setattr(cli, "run_once", programs.run_once)
    monkeypatch.setattr(logging_setup, "setup", lambda *_: None)
    return programs


def settings_of(programs: FakePrograms, *arguments: str) -> Settings:
    assert command_line.run(cli.logcd, arguments) == 0
    return programs.daemon_settings[-1]


def test_defaults_are_as_documented(programs: FakePrograms) -> None:
    assert settings_of(programs) == Settings(
        directory=Path("/var/log"),
        include=("*.log",),
        exclude=(),
        follow_links=False,
        out=Path("/var/log"),
        name="all-logs-{date}.tar.gz",
        mode=0o600,
        zone=UTC,
        interval=60.0,
        scrub_interval=86_400.0,
        retention=Budget(max_bytes=None, max_files=7, max_age=None, min_free_share=0.15, always_kept=1),
        http=(Address(None, 9167),),
    )


def test_every_option_reaches_the_settings(programs: FakePrograms) -> None:
    text = """
        --dir /data --include **/*.log --include x --exclude debug/** --follow-links --out /archives
        --name logs-{date}.tgz --mode 640 --tz Europe/Berlin --every 5m --scrub off --keep-count off
        --keep-bytes 1GiB --keep-age 30d --keep-free 5% --http 127.0.0.1:8080 --log-level error
    """
    assert settings_of(programs, *text.split()) == Settings(
        directory=Path("/data"),
        include=("**/*.log", "x"),
        exclude=("debug/**",),
        follow_links=True,
        out=Path("/archives"),
        name="logs-{date}.tgz",
        mode=0o640,
        zone=ZoneInfo("Europe/Berlin"),
        interval=300.0,
        scrub_interval=None,
        retention=Budget(
            max_bytes=1024**3, max_files=None, max_age=30 * 86_400.0, min_free_share=0.05, always_kept=1
        ),
        http=(Address("127.0.0.1", 8080),),
    )


def test_archives_are_written_to_the_log_directory_by_default(programs: FakePrograms) -> None:
    assert settings_of(programs, "--dir=/data/").out == Path("/data")


def test_directories_become_absolute_without_dot_dot(programs: FakePrograms) -> None:
    settings = settings_of(programs, "--dir=a/../b", "--out=c/")
    assert (settings.directory, settings.out) == (Path.cwd() / "b", Path.cwd() / "c")


def test_once_runs_one_cycle_and_returns_its_exit_code(programs: FakePrograms) -> None:
    assert command_line.run(cli.logcd, ["--once", "--dir=/data"]) == 3
    assert [settings.directory for settings in programs.once_settings] == [Path("/data")]
    assert programs.daemon_settings == []


def test_every_option_has_an_environment_variable_and_is_in_the_help(
    programs: FakePrograms, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGCD_DIR", "/data")
    monkeypatch.setenv("LOGCD_INCLUDE", "*.log pods/**/*.log")
    monkeypatch.setenv("LOGCD_ONCE", "1")
    monkeypatch.setenv("LOGCD_VERSION", "not an option")
    assert command_line.run(cli.logcd, []) == 3
    (settings,) = programs.once_settings
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
            "--name: 'a/b' is not the name of a file; allowed are file names of up to 200",
        ),
        (
            ["--name", "{day}"],
            "--name: '{day}' is not a name: it may contain {date} once and no other braces; allowed are",
        ),
        (
            ["--mode", "rw"],
            "--mode: 'rw' is not a mode; allowed are octal digits from 0400 to 0755, such as 0640",
        ),
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
def test_a_wrong_value_exits_2_with_one_line_that_says_what_is_allowed(
    programs: FakePrograms, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run(cli.logcd, arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), programs.daemon_settings) == ("", 1, [])
    assert err.startswith(f"logcd: {message}")


def test_a_port_in_use_exits_1_with_one_line(
    programs: FakePrograms, caplog: pytest.LogCaptureFixture
) -> None:
    programs.error = ListenError(98, "port 1 on ::1 is taken")
    assert command_line.run(cli.logcd, []) == 1
    assert caplog.messages == ["port 1 on ::1 is taken"]
    assert caplog.records[0].exc_info is None


def test_version_prints_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run(cli.logcd, ["--version"]) == 0
    assert capsys.readouterr().out == f"logcd, version {__version__}\n"
