from pathlib import Path

import pytest

from nodeagent.run_command import watch_targets
from nodeagent.settings import CollectorAddress, DaemonAddress, WatchTargets
from nodeagent.supervision.programs import PROGRAMS, ConfigError


def targets_of(**arguments: list[str]) -> WatchTargets:
    return watch_targets({name: PROGRAMS[name].settings(values) for name, values in arguments.items()})


def test_the_targets_follow_from_the_options_of_the_children(tmp_path: Path) -> None:
    log, archives = tmp_path / "node" / "node_log", tmp_path / "log"
    found = targets_of(
        logd=[f"--log={log}", "--listen=10.0.0.1:7000", "--listen=[::1]:7001", "--http=9000"],
        logcd=[f"--dir={archives}", "--every=5m", "--http=[::1]:9001", "--name=[a]-{date}.tar.gz"],
    )
    assert found == WatchTargets(
        collector=CollectorAddress(("10.0.0.1",), 7000),
        daemons=(
            DaemonAddress("logd", "http://127.0.0.1:9000"),
            DaemonAddress("logcd", "http://[::1]:9001"),
        ),
        disks=(log.parent, archives),
        archives=archives / "[[]a]-*.tar.gz",
        archive_every=300.0,
        log=log,
    )


def test_a_path_that_holds_log_and_archives_is_checked_once(tmp_path: Path) -> None:
    found = targets_of(logd=[f"--log={tmp_path}/node_log"], logcd=["--dir=/var/log", f"--out={tmp_path}"])
    assert found.disks == (tmp_path,)
    assert found.archives == tmp_path / "all-logs-*.tar.gz"


@pytest.mark.parametrize(
    ("listen", "host"), [("6666", "127.0.0.1"), ("0.0.0.0:6666", "127.0.0.1"), ("[::]:6666", "::1")]
)
def test_a_daemon_that_listens_everywhere_is_reached_by_loopback(listen: str, host: str) -> None:
    assert targets_of(logd=[f"--listen={listen}"]).collector == CollectorAddress((host,), 6666)


def test_without_a_program_its_targets_are_missing() -> None:
    found = targets_of(logcd=[])
    assert (found.collector, found.log) == (None, None)
    assert targets_of(logd=[]).archives is None


@pytest.mark.parametrize("option", ["--listen=0", "--http=127.0.0.1:0"])
def test_a_port_that_is_not_known_beforehand_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match="needs a port of its own: the agent connects to it"):
        targets_of(logd=[option])
