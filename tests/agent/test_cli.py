from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from nodeagent import run_command, watch_command
from nodeagent.cli import nodeagent
from nodeagent.settings import ChildLimits, CollectorAddress, DaemonAddress, Settings, WatchTargets
from nodeagent.supervision.programs import PROGRAMS
from nodelogd.service import command_line, event_loop, logging_setup
from nodelogd.service.listening_sockets import Address, ListenError


class RecordedCommand:
    """What the command line passes to `run` and `watch`, which do not run."""

    children: Mapping[str, list[str]]
    limits: ChildLimits
    targets: WatchTargets
    settings: Settings

    async def run(self, children: Mapping[str, list[str]], settings: Settings, limits: ChildLimits) -> int:
        """Replace `nodeagent run`."""
        self.children, self.settings, self.limits = children, settings, limits
        return 3

    async def watch(self, targets: WatchTargets, settings: Settings) -> int:
        """Replace `nodeagent watch`."""
        self.targets, self.settings = targets, settings
        return 0


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> RecordedCommand:
    recorded = RecordedCommand()
    monkeypatch.setattr(run_command, "run", recorded.run)
    monkeypatch.setattr(watch_command, "watch", recorded.watch)
    monkeypatch.setattr(logging_setup, "setup", lambda *_: None)
    for name in ("HOST_IP", "HOST_IPS"):
        monkeypatch.delenv(name, raising=False)
    return recorded


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "nodelog.toml"
    path.write_text(
        '[logd]\nlisten = ["7000"]\nstamp = true\n'
        '[nodeagent]\ngrace = "7s"\nhttp = "9000"\nverify-every = 60\nprogram = ["logd"]\n'
    )
    return path


def test_everything_is_started_by_default(recorded: RecordedCommand) -> None:
    assert command_line.run(nodeagent, ["run"]) == 3
    assert recorded.children == {"logd": [], "logcd": []}
    assert recorded.settings == Settings()
    assert recorded.limits == ChildLimits()


def test_the_file_configures_programs_and_the_agent(recorded: RecordedCommand, config: Path) -> None:
    assert command_line.run(nodeagent, ["run", f"--config={config}"]) == 3
    assert recorded.children == {"logd": ["--listen=7000", "--stamp"]}
    assert recorded.settings == Settings(http=(Address(None, 9000),), verify_every=60.0)
    assert recorded.limits.grace == 7


@pytest.mark.parametrize(("text", "expected"), [("5s", 5.0), ("off", None)])
def test_the_limit_of_a_hang_can_be_set(recorded: RecordedCommand, text: str, expected: float | None) -> None:
    assert command_line.run(nodeagent, ["run", f"--hang-limit={text}"]) == 3
    assert recorded.limits == ChildLimits(hang=expected)


def test_the_command_line_overrides_the_file(recorded: RecordedCommand, config: Path) -> None:
    arguments = [
        "--grace=1s",
        "--logd-listen=7001",
        "--logd-listen=7002",
        "--no-logd-stamp",
        "--logd-max-line=2KiB",
    ]
    assert command_line.run(nodeagent, ["run", f"--config={config}", *arguments]) == 3
    assert sorted(recorded.children["logd"]) == [
        "--listen=7001",
        "--listen=7002",
        "--max-line=2KiB",
        "--no-stamp",
    ]
    assert recorded.limits.grace == 1


def test_a_variable_overrides_the_file(
    recorded: RecordedCommand, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODEAGENT_GRACE", "2s")
    monkeypatch.setenv("NODEAGENT_CONFIG", str(config))
    assert command_line.run(nodeagent, ["run"]) == 3
    assert recorded.limits.grace == 2


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
    text: str, expected: str, recorded: RecordedCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nodelog.toml"
    path.write_text(text)
    assert command_line.run(nodeagent, ["run", f"--config={path}"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("nodeagent: ")
    assert expected in message
    assert message.count("\n") == 1
    assert not hasattr(recorded, "children")


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
    message = capsys.readouterr().err
    assert message.startswith(f"nodeagent: {expected}")
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("host_ip", "hosts", "url"),
    [
        (None, ("127.0.0.1",), "127.0.0.1"),
        ("10.0.0.7", ("10.0.0.7",), "10.0.0.7"),
        ("fd00::7", ("fd00::7",), "[fd00::7]"),
    ],
)
def test_watch_targets_its_own_node(
    host_ip: str | None,
    hosts: tuple[str, ...],
    url: str,
    recorded: RecordedCommand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if host_ip:
        monkeypatch.setenv("HOST_IP", host_ip)
    assert command_line.run(nodeagent, ["watch"]) == 0
    assert recorded.targets == WatchTargets(
        collector=CollectorAddress(hosts, 6666),
        daemons=(DaemonAddress("logd", f"http://{url}:9166"), DaemonAddress("logcd", f"http://{url}:9167")),
        disks=(Path("/var/lib/nodelog"), Path("/var/log")),
        archives=Path("/var/log/all-logs-*.tar.gz"),
        archive_every=60.0,
        log=Path("/var/node_log"),
    )


def test_the_options_of_watch_set_the_targets(recorded: RecordedCommand) -> None:
    arguments = [
        "--collector=[::1]:7",
        "--daemon=logd=10.0.0.1:8",
        "--disk=/a",
        "--archives=/b/*.tgz",
        "--log=/c",
    ]
    assert command_line.run(nodeagent, ["watch", *arguments]) == 0
    assert recorded.targets == WatchTargets(
        collector=CollectorAddress(("::1",), 7),
        daemons=(DaemonAddress("logd", "http://10.0.0.1:8"),),
        disks=(Path("/a"),),
        archives=Path("/b/*.tgz"),
        archive_every=60.0,
        log=Path("/c"),
    )


def test_a_taken_port_is_exit_1(
    recorded: RecordedCommand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def raise_taken(main: Coroutine[Any, Any, int]) -> int:  # noqa: ARG001 (as event_loop.run)
        raise ListenError(98, "port 9168 is taken")

    monkeypatch.setattr(event_loop, "run", raise_taken)
    assert command_line.run(nodeagent, ["watch"]) == 1
    assert [record.getMessage() for record in caplog.records] == ["port 9168 is taken"]
    assert not hasattr(recorded, "targets")


def test_each_option_of_a_program_is_an_option_of_run() -> None:
    run = nodeagent.commands["run"]
    known = {name for param in run.params for name in param.opts}
    for program in PROGRAMS.values():
        assert {f"--{program.name}-{name}" for name in program.options} <= known
