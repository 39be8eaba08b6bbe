import socket
from pathlib import Path

import pytest
from aiohttp import ClientSession

from nodeagent.checks.daemon_status import Source
from nodeagent.settings import Scene, Settings
from nodeagent.watch_command import Watcher
from nodelogd.service.listening_sockets import Address, ListenError

NOTHING = Scene(collector=None, daemons=(), disks=(), archives=None, archive_every=60.0, log=None)
HERE = Address("127.0.0.1", 0)


def eyes(watcher: Watcher) -> list[str]:
    """Give the names of what looks."""
    return [rhythm.eye.name for rhythm in watcher._rhythms]


def test_only_what_there_is_is_looked_at(tmp_path: Path) -> None:
    assert eyes(Watcher(NOTHING, Settings())) == []
    everything = Scene(
        collector=(("127.0.0.1",), 6666),
        daemons=(Source("logd", "http://127.0.0.1:9166"), Source("logcd", "http://127.0.0.1:9167")),
        disks=(tmp_path,),
        archives=tmp_path / "all-logs-*.tar.gz",
        archive_every=60.0,
        log=tmp_path / "node_log",
    )
    found = eyes(Watcher(everything, Settings()))
    assert found == ["logd", "logcd", "canary", "disk", "archive", "verification"]


async def test_what_is_seen_is_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    scene = Scene(collector=None, daemons=(), disks=(tmp_path,), archives=None, archive_every=60.0, log=None)
    watcher = Watcher(scene, Settings(http=(HERE,), growth_window=1.0))
    watcher.more["children"] = lambda: {"logd": 7}
    async with watcher.showing(), watcher.looking():
        (record,) = [record for record in caplog.records if "HTTP on" in record.getMessage()]
        assert record.getMessage().endswith("; /tail on none")
        async with ClientSession() as session:
            code = 503
            while code != 200:
                async with session.get(f"http://{vars(record)['http'][0]}/readyz") as answer:
                    code = answer.status
            async with session.get(f"http://{vars(record)['http'][0]}/status") as answer:
                page = await answer.json()
    assert page["program"] == "nodeagent"
    assert str(tmp_path) in page["disk"]
    assert page["children"] == {"logd": 7}
    assert page["not_ready"] == {}


@pytest.mark.parametrize("has_token", [False, True])
async def test_without_a_token_there_is_no_tail(
    has_token: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    scene = Scene(
        collector=None, daemons=(), disks=(), archives=None, archive_every=60.0, log=tmp_path / "node_log"
    )
    token = tmp_path / "token" if has_token else None
    async with Watcher(scene, Settings(http=(HERE,), tail=(HERE,), tail_token=token)).showing():
        assert ("/tail on none" not in caplog.text) is has_token


async def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(
            ListenError, match="is taken by another process; stop it or choose another with --http"
        ):
            async with Watcher(NOTHING, Settings(http=(place,))).showing():
                pass
