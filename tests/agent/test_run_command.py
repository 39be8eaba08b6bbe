from pathlib import Path

import pytest

from nodeagent.checks.daemon_status import Source
from nodeagent.run_command import scene_of
from nodeagent.settings import Scene
from nodeagent.supervision.programs import PROGRAMS, SetupError


def scene(**arguments: list[str]) -> Scene:
    return scene_of({name: PROGRAMS[name].settings(given) for name, given in arguments.items()})


def test_what_there_is_to_see_follows_from_the_options_of_the_children(tmp_path: Path) -> None:
    log, archives = tmp_path / "node" / "node_log", tmp_path / "log"
    found = scene(
        logd=[f"--log={log}", "--listen=10.0.0.1:7000", "--listen=[::1]:7001", "--http=9000"],
        logcd=[f"--dir={archives}", "--every=5m", "--http=[::1]:9001", "--name=[a]-{date}.tar.gz"],
    )
    assert found == Scene(
        collector=(("10.0.0.1",), 7000),
        daemons=(Source("logd", "http://127.0.0.1:9000"), Source("logcd", "http://[::1]:9001")),
        disks=(log.parent, archives),
        archives=archives / "[[]a]-*.tar.gz",
        archive_every=300.0,
        log=log,
    )


def test_one_file_system_is_looked_at_once(tmp_path: Path) -> None:
    found = scene(logd=[f"--log={tmp_path}/node_log"], logcd=["--dir=/var/log", f"--out={tmp_path}"])
    assert found.disks == (tmp_path,)
    assert found.archives == tmp_path / "all-logs-*.tar.gz"


@pytest.mark.parametrize(
    ("listen", "host"), [("6666", "127.0.0.1"), ("0.0.0.0:6666", "127.0.0.1"), ("[::]:6666", "::1")]
)
def test_a_daemon_that_listens_everywhere_is_asked_here(listen: str, host: str) -> None:
    assert scene(logd=[f"--listen={listen}"]).collector == ((host,), 6666)


def test_without_a_program_there_is_nothing_of_it_to_see() -> None:
    found = scene(logcd=[])
    assert (found.collector, found.log) == (None, None)
    assert scene(logd=[]).archives is None


@pytest.mark.parametrize("option", ["--listen=0", "--http=127.0.0.1:0"])
def test_a_port_that_nobody_knows_before_is_refused(option: str) -> None:
    with pytest.raises(SetupError, match="needs a port of its own: the agent connects to it"):
        scene(logd=[option])
