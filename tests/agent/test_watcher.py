import socket
from pathlib import Path

import pytest
from aiohttp import ClientSession

from nodeagent.settings import CollectorAddress, DaemonAddress, Settings, WatchTargets
from nodeagent.watcher import Watcher
from nodelogd.service.listening_sockets import Address, ListenError

NOTHING = WatchTargets(collector=None, daemons=(), disks=(), archives=None, archive_every=60.0, log=None)
FREE_PORT = Address("127.0.0.1", 0)


def check_names(watcher: Watcher) -> list[str]:
    """Return the names of the scheduled checks."""
    return [scheduled.check.name for scheduled in watcher._scheduled]


def test_each_target_has_a_check_and_nothing_else_is_checked(tmp_path: Path) -> None:
    assert check_names(Watcher(NOTHING, Settings())) == []
    everything = WatchTargets(
        collector=CollectorAddress(("127.0.0.1",), 6666),
        daemons=(
            DaemonAddress("logd", "http://127.0.0.1:9166"),
            DaemonAddress("logcd", "http://127.0.0.1:9167"),
        ),
        disks=(tmp_path,),
        archives=tmp_path / "all-logs-*.tar.gz",
        archive_every=60.0,
        log=tmp_path / "node_log",
    )
    found = check_names(Watcher(everything, Settings()))
    assert found == ["logd", "logcd", "canary", "disk", "archive", "verification"]


async def test_the_results_of_checks_are_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    targets = WatchTargets(
        collector=None, daemons=(), disks=(tmp_path,), archives=None, archive_every=60.0, log=None
    )
    watcher = Watcher(targets, Settings(http=(FREE_PORT,), growth_window=1.0))
    watcher.extra_status["children"] = lambda: {"logd": 7}
    async with watcher.serving_pages(), watcher.running_checks():
        (record,) = [record for record in caplog.records if "HTTP on" in record.getMessage()]
        assert record.getMessage().endswith("; /tail on none")
        async with ClientSession() as session:
            code = 503
            while code != 200:
                async with session.get(f"http://{vars(record)['http'][0]}/readyz") as response:
                    code = response.status
            async with session.get(f"http://{vars(record)['http'][0]}/status") as response:
                page = await response.json()
    assert page["program"] == "nodeagent"
    assert str(tmp_path) in page["disk"]
    assert page["children"] == {"logd": 7}
    assert page["not_ready"] == {}


@pytest.mark.parametrize("has_token", [False, True])
async def test_without_a_token_there_is_no_tail_page(
    has_token: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    targets = WatchTargets(
        collector=None, daemons=(), disks=(), archives=None, archive_every=60.0, log=tmp_path / "node_log"
    )
    token = tmp_path / "token" if has_token else None
    settings = Settings(http=(FREE_PORT,), tail=(FREE_PORT,), tail_token=token)
    async with Watcher(targets, settings).serving_pages():
        assert ("/tail on none" not in caplog.text) is has_token


async def test_a_taken_port_is_reported_with_the_option_to_change() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(
            ListenError, match="is taken by another process; stop it or choose another with --http"
        ):
            async with Watcher(NOTHING, Settings(http=(address,))).serving_pages():
                pass
