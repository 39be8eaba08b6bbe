"""The options of logd: what they accept, and the settings they become. `test_daemon.py` tests the daemon."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import click
import pytest

from nodelog import __version__
from nodelogd.collector import cli
from nodelogd.collector.pipeline.sync_schedule import SyncMode, SyncPolicy
from nodelogd.collector.settings import Settings
from nodelogd.collector.store.log_lock import LockedError
from nodelogd.collector.store.log_store import StoreSettings
from nodelogd.service import command_line, logging_setup, open_file_limit
from nodelogd.service.files.disk_budget import Budget
from nodelogd.service.listening_sockets import Address, ListenError

MIB = 1024 * 1024


class FakeDaemon:
    """Records the settings it is started with, on a system that allows `files` open files."""

    def __init__(self) -> None:
        """Allow plenty of open files."""
        self.files = 1_000_000
        self.settings: list[Settings] = []
        self.error: Exception | None = None

    async def collect(self, settings: Settings) -> int:
        """Stand in for the daemon."""
        await asyncio.sleep(0)
        self.settings.append(settings)
        if self.error:
            raise self.error
        return 0


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> FakeDaemon:
    """Run the command line without a daemon, and without changing this process."""
    fake = FakeDaemon()
    monkeypatch.setattr(cli, "collect", fake.collect)
    monkeypatch.setattr(logging_setup, "setup", lambda *_: None)
    monkeypatch.setattr(open_file_limit, "raise_file_limit", lambda wanted: min(wanted, fake.files))
    return fake


def settings_of(daemon: FakeDaemon, *arguments: str) -> Settings:
    assert command_line.run(cli.logd, arguments) == 0
    return daemon.settings[-1]


def test_the_defaults_are_those_documented(daemon: FakeDaemon) -> None:
    assert settings_of(daemon) == Settings(
        listen=(Address(None, 6666),),
        http=(Address(None, 9166),),
        log=Path("/var/node_log"),
        store=StoreSettings(rotate_size=256 * MIB, rotate_age=86_400.0),
        sync=SyncPolicy(mode=SyncMode.BATCH, gap=0.005),
        keep=Budget(max_bytes=10 * 1024 * MIB, max_files=None, max_age=None, min_free_share=0.15),
        buffer=32 * MIB,
        max_line=MIB,
        grace=25.0,
        linger=1.0,
        max_connections=10_000,
        idle_timeout=None,
        stamp=False,
    )


def test_every_option_reaches_the_settings(daemon: FakeDaemon) -> None:
    text = """
        --listen 7000 --listen [::1]:7001 --log /data/log --http 127.0.0.1:8080 --sync interval=2s
        --sync-gap 10ms --buffer 64MiB --max-line 2MiB --rotate-size 1GiB --rotate-age 2h
        --keep-bytes off --keep-count 7 --keep-age 30d --keep-free 5% --grace 5s --linger 500ms
        --max-connections 5 --idle-timeout 10m --stamp --log-level error
    """
    assert settings_of(daemon, *text.split()) == Settings(
        listen=(Address(None, 7000), Address("::1", 7001)),
        http=(Address("127.0.0.1", 8080),),
        log=Path("/data/log"),
        store=StoreSettings(rotate_size=1024 * MIB, rotate_age=7200.0),
        sync=SyncPolicy(mode=SyncMode.INTERVAL, interval=2.0, gap=0.01),
        keep=Budget(max_bytes=None, max_files=7, max_age=30 * 86_400.0, min_free_share=0.05),
        buffer=64 * MIB,
        max_line=2 * MIB,
        grace=5.0,
        linger=0.5,
        max_connections=5,
        idle_timeout=600.0,
        stamp=True,
    )


def test_every_option_is_an_environment_variable_and_is_in_the_help(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGD_LISTEN", "7000 127.0.0.1:7001")
    monkeypatch.setenv("LOGD_STAMP", "true")
    monkeypatch.setenv("LOGD_LINGER", "2s")
    monkeypatch.setenv("LOGD_VERSION", "not for logd")
    settings = settings_of(daemon)
    assert settings.listen == (Address(None, 7000), Address("127.0.0.1", 7001))
    assert (settings.stamp, settings.linger) == (True, 2.0)
    capsys.readouterr()
    assert command_line.run(cli.logd, ["--help"]) == 0
    text = capsys.readouterr().out
    for param in cli.logd.params:
        if isinstance(param, click.Option) and param.name not in {"help", "version"}:
            assert f"{param.opts[-1]} " in text
            assert re.search(rf"env\s+var:\s+LOGD_{str(param.name).upper()}\b", text), param.name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--listen", "70000"], "--listen: '70000' is not an address; allowed are PORT, HOST:PORT or"),
        (
            ["--sync", "often"],
            "--sync: 'often' is not a sync policy; allowed are batch, interval=TIME",
        ),
        (["--sync", "interval=x"], "--sync: 'interval=x' is not a sync policy; allowed are batch, interval="),
        (["--sync-gap", "2s"], "--sync-gap: '2s' is too large; allowed are 0s to 1s"),
        (["--buffer", "1MiB"], "--buffer: '1MiB' is too small; allowed are 4MiB to 64GiB"),
        (["--max-line", "9MiB"], "--max-line: 9MiB is too large; allowed is a quarter of --buffer, 8MiB"),
        (["--max-line", "1"], "--max-line: '1' is too small; allowed are 1KiB to 1GiB"),
        (["--rotate-size", "1KiB"], "--rotate-size: '1KiB' is too small; allowed are 64KiB to 1TiB"),
        (["--rotate-age", "0"], "--rotate-age: '0' is too small; allowed are 1s to 3650d"),
        (["--keep-bytes", "much"], "--keep-bytes: 'much' is not a size; allowed are 0B to 1024TiB or off"),
        (["--keep-count", "-1"], "--keep-count: '-1' is not a whole number; allowed are 0 and more or off"),
        (["--keep-age", "1ms"], "--keep-age: '1ms' is too small; allowed are 1s to 36500d or off"),
        (["--keep-free", "101%"], "--keep-free: '101%' is not a share; allowed are 0% to 100% or off"),
        (["--grace", "2h"], "--grace: '2h' is too large; allowed are 0s to 1h"),
        (["--linger", "1d"], "--linger: '1d' is too large; allowed are 0s to 10m"),
        (["--max-connections", "0"], "--max-connections: '0' is too small; allowed are 1 to 1000000"),
        (["--idle-timeout", "0"], "--idle-timeout: '0' is too small; allowed are 1s to 365d or off"),
        (["--log-level", "loud"], "--log-level: 'loud' is not one of 'debug', 'info', 'warning', 'error'"),
        (["--port", "6666"], "--port: no such option"),
    ],
)
def test_a_wrong_value_is_one_line_with_what_is_allowed_and_exit_2(
    daemon: FakeDaemon, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run(cli.logd, arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), daemon.settings) == ("", 1, [])
    assert err.startswith(f"logd: {message}")


def test_an_error_in_a_variable_names_the_variable(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGD_GRACE", "long")
    assert command_line.run(cli.logd, []) == 2
    assert capsys.readouterr().err.startswith("logd: LOGD_GRACE (--grace): 'long' is not a time; allowed")
    assert daemon.settings == []


def test_a_low_limit_of_open_files_lowers_the_connections_with_a_warning(
    daemon: FakeDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.files = 1024
    assert settings_of(daemon).max_connections == 1024 - cli.SPARE_FILES
    text = (
        "the limit of open files allows 896 connections, not the 10000 of --max-connections; it accepts fewer"
    )
    assert caplog.messages == [text]


def test_at_least_one_connection_is_allowed_however_low_the_limit(daemon: FakeDaemon) -> None:
    daemon.files = 64
    assert settings_of(daemon).max_connections == 1


def test_a_sufficient_limit_of_open_files_is_not_logged(
    daemon: FakeDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    assert settings_of(daemon, "--max-connections=5").max_connections == 5
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ListenError(98, "port 1 on ::1 is taken"), "port 1 on ::1 is taken"),
        (LockedError("it is held by process 7"), "it is held by process 7"),
        (PermissionError(13, "Permission denied", "/x"), "cannot use /x: Permission denied; see --log"),
        (OSError(5, "Input/output error"), "cannot use /var/node_log: Input/output error; see --log"),
    ],
)
def test_an_error_for_the_operator_is_one_line_and_exit_1(
    daemon: FakeDaemon, error: Exception, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.error = error
    assert command_line.run(cli.logd, []) == 1
    assert caplog.messages == [message]
    assert caplog.records[0].exc_info is None


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run(cli.logd, ["--version"]) == 0
    assert capsys.readouterr().out == f"logd, version {__version__}\n"
