from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from nodeagent import run_command, watch_command
from nodeagent.checks.daemon_status import Source
from nodeagent.cli import nodeagent
from nodeagent.settings import Scene, Settings
from nodeagent.supervision.programs import PROGRAMS
from nodelogd.service import command_line, event_loop, logging_setup
from nodelogd.service.listening_sockets import Address, ListenError


class Started:
    """What the command has made of its options, instead of running."""

    children: Mapping[str, list[str]]
    grace: float
    scene: Scene
    settings: Settings

    async def run(self, children: Mapping[str, list[str]], settings: Settings, grace: float) -> int:
        """Stand for nodeagent run."""
        self.children, self.settings, self.grace = children, settings, grace
        return 3

    async def watch(self, scene: Scene, settings: Settings) -> int:
        """Stand for nodeagent watch."""
        self.scene, self.settings = scene, settings
        return 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    started = Started()
    monkeypatch.setattr(run_command, "run", started.run)
    monkeypatch.setattr(watch_command, "watch", started.watch)
    monkeypatch.setattr(logging_setup, "setup", lambda *_: None)
    for name in ("HOST_IP", "HOST_IPS"):
        monkeypatch.delenv(name, raising=False)
    return started


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "nodelog.toml"
    path.write_text(
        '[logd]\nlisten = ["7000"]\nstamp = true\n'
        '[nodeagent]\ngrace = "7s"\nhttp = "9000"\nverify-every = 60\nprogram = ["logd"]\n'
    )
    return path


def test_everything_is_started_by_default(started: Started) -> None:
    assert command_line.run(nodeagent, ["run"]) == 3
    assert started.children == {"logd": [], "logcd": []}
    assert started.settings == Settings()
    assert started.grace == 40


def test_the_file_sets_programs_and_the_agent(started: Started, config: Path) -> None:
    assert command_line.run(nodeagent, ["run", f"--config={config}"]) == 3
    assert started.children == {"logd": ["--listen=7000", "--stamp"]}
    assert started.settings == Settings(http=(Address(None, 9000),), verify_every=60.0)
    assert started.grace == 7


def test_the_command_line_wins_over_the_file(started: Started, config: Path) -> None:
    given = [
        "--grace=1s",
        "--logd-listen=7001",
        "--logd-listen=7002",
        "--no-logd-stamp",
        "--logd-max-line=2KiB",
    ]
    assert command_line.run(nodeagent, ["run", f"--config={config}", *given]) == 3
    assert sorted(started.children["logd"]) == [
        "--listen=7001",
        "--listen=7002",
        "--max-line=2KiB",
        "--no-stamp",
    ]
    assert started.grace == 1


def test_a_variable_wins_over_the_file(
    started: Started, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODEAGENT_GRACE", "2s")
    monkeypatch.setenv("NODEAGENT_CONFIG", str(config))
    assert command_line.run(nodeagent, ["run"]) == 3
    assert started.grace == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[logd]\nlistne = 1\n", "logd has no option 'listne'; did you mean 'listen'?"),
        ("[nodeagent]\ngrase = 1\n", "nodeagent has no option 'grase'; did you mean 'grace'?"),
        ("[nodeagent]\nconfig = 'x'\n", "nodeagent has no option 'config'"),
        ("[nodeagent]\nlogd-listen = 'x'\n", "nodeagent has no option 'logd-listen'"),
        ("[nodeagent]\ngrace = '2y'\n", "--grace: '2y' is not a time; allowed are 0s to 1h"),
        ("[logd]\nmax-line = 7\n", "logd: --max-line: '7' is too small"),
        ("[logdd]\n", "unknown table 'logdd'; did you mean 'logd'?"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_and_exit_2(
    text: str, expected: str, started: Started, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nodelog.toml"
    path.write_text(text)
    assert command_line.run(nodeagent, ["run", f"--config={path}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("nodeagent: ")
    assert expected in said
    assert said.count("\n") == 1
    assert not hasattr(started, "children")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "Missing command; there are run, watch"),
        (["start"], "No such command 'start'; there are run, watch"),
        (["run", "--logd-listne=1"], "--logd-listne: no such option; did you mean --logd-listen"),
        (["run", "--program=sshd"], "--program: 'sshd' is not one of 'logd', 'logcd'"),
        (["watch", "--daemon=7"], "--daemon: '7' is not a daemon; allowed are NAME=PORT, "),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run(nodeagent, arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"nodeagent: {expected}")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("host_ip", "hosts", "url"),
    [
        (None, ("127.0.0.1",), "127.0.0.1"),
        ("10.0.0.7", ("10.0.0.7",), "10.0.0.7"),
        ("fd00::7", ("fd00::7",), "[fd00::7]"),
    ],
)
def test_watch_looks_at_the_node_that_it_is_on(
    host_ip: str | None, hosts: tuple[str, ...], url: str, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    if host_ip:
        monkeypatch.setenv("HOST_IP", host_ip)
    assert command_line.run(nodeagent, ["watch"]) == 0
    assert started.scene == Scene(
        collector=(hosts, 6666),
        daemons=(Source("logd", f"http://{url}:9166"), Source("logcd", f"http://{url}:9167")),
        disks=(Path("/var/lib/nodelog"), Path("/var/log")),
        archives=Path("/var/log/all-logs-*.tar.gz"),
        archive_every=60.0,
        log=Path("/var/node_log"),
    )


def test_watch_looks_where_it_is_told_to(started: Started) -> None:
    given = [
        "--collector=[::1]:7",
        "--daemon=logd=10.0.0.1:8",
        "--disk=/a",
        "--archives=/b/*.tgz",
        "--log=/c",
    ]
    assert command_line.run(nodeagent, ["watch", *given]) == 0
    assert started.scene == Scene(
        collector=(("::1",), 7),
        daemons=(Source("logd", "http://10.0.0.1:8"),),
        disks=(Path("/a"),),
        archives=Path("/b/*.tgz"),
        archive_every=60.0,
        log=Path("/c"),
    )


def test_a_port_that_is_taken_is_exit_1(
    started: Started, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def taken(main: Coroutine[Any, Any, int]) -> int:  # noqa: ARG001 (as event_loop.run)
        raise ListenError(98, "port 9168 is taken")

    monkeypatch.setattr(event_loop, "run", taken)
    assert command_line.run(nodeagent, ["watch"]) == 1
    assert [record.getMessage() for record in caplog.records] == ["port 9168 is taken"]
    assert not hasattr(started, "scene")


def test_each_option_of_a_program_can_be_given() -> None:
    run = nodeagent.commands["run"]
    known = {name for param in run.params for name in param.opts}
    for program in PROGRAMS.values():
        assert {f"--{program.name}-{name}" for name in program.options} <= known
