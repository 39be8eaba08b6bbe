"""`nodelog load --protocol relp`: acknowledged lines are stored, and once where the server keeps streams."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.client.load.load_output import figures_of
from tests.client.load.relp_server import RelpServer
from tests.waiting import wait_for

from nodelog.load.verifier.verdict import Verdict, parse_sent, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.processes.logd import Logd, StartLogd

    Start = Callable[..., subprocess.Popen[str]]


def verify_files(figures: dict[str, Any], *files: Path) -> Verdict:
    run, sent, unsettled = parse_sent(json.dumps(figures))
    return verify(run, list(files), sent, lambda _path, _done: None, unsettled)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--write-size=line",),
        ("--line-size=100B", "--write-size=1MiB", "--processes=2"),
        ("--rate=50000", "--write-size=line", "--connections=7"),
        ("--window=0",),
        ("--frames=syslog",),
        ("--frames=syslog", "--rate=100000", "--write-size=1000B", "--window=999B"),
    ],
)
def test_each_line_is_acknowledged_and_stored_once(
    start: Start, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with RelpServer() as store:
        figures = figures_of(
            start("load", "--protocol=relp", f"--port={store.port}", "--bytes=256KiB", "--json", *options)
        )
    verdict = verify_files(figures, store.write_to(tmp_path / "log"))
    assert verdict.is_good, verdict
    assert verdict.counts.received == figures["lines"] == -(-(1 << 18) // figures["line_size"])
    assert (figures["errors"], figures["reconnects"], figures["late"], figures["unacknowledged"]) == (
        {},
        0,
        0,
        {},
    )
    assert figures["ack_latency_us"]["max"] > 0
    assert figures["read_seconds"] is not None


def failure_at(block: int) -> str | None:
    """Return each kind of failure in turn; twice in the first 300 blocks."""
    return {30: "lost", 60: "unanswered", 90: "goodbye", 120: "garbage"}.get(block % 150)


def test_with_streams_each_line_is_stored_once_whatever_fails(start: Start, tmp_path: Path) -> None:
    with RelpServer(fail=lambda block: failure_at(block) if block < 300 else None) as store:
        arguments = ("--bytes=8MiB", "--connections=3", "--write-size=16KiB", "--protocol=relp", "--json")
        figures = figures_of(start("load", f"--port={store.port}", *arguments))
    assert verify_files(figures, store.write_to(tmp_path / "log")).is_good
    assert figures["lines"] == 65536
    assert figures["reconnects"] == 8
    assert sum(figures["errors"].values()) == 6, figures["errors"]  # a server that closes is not an error
    assert figures["errors"]["Connection reset by peer"] > 0
    assert any(error.startswith("not a frame header") for error in figures["errors"])


@pytest.mark.parametrize("frames", ["lines", "syslog"])
def test_without_streams_nothing_is_lost_but_lines_may_be_doubled(
    start: Start, tmp_path: Path, frames: str
) -> None:
    with RelpServer(
        has_streams=False, fail=lambda block: failure_at(block) if block < 300 else None
    ) as store:
        arguments = ("--bytes=4MiB", "--connections=3", "--write-size=8KiB", "--protocol=relp", "--json")
        figures = figures_of(start("load", f"--port={store.port}", f"--frames={frames}", *arguments))
    verdict = verify_files(figures, store.write_to(tmp_path / "log"))
    assert figures["lines"] == verdict.counts.received == 32768
    assert verdict.counts.lost.lines == verdict.torn == 0
    assert verdict.counts.doubled.lines > 0


def test_lines_that_are_unacknowledged_at_the_end_may_be_stored_or_not(start: Start, tmp_path: Path) -> None:
    with RelpServer(fail=lambda block: "silent" if block > 10 else None) as store:
        arguments = ("--connections=1", "--write-size=line", "--rate=1000", "--protocol=relp", "--json")
        process = start("load", f"--port={store.port}", *arguments)
        wait_for(lambda: store.blocks > 12, "blocks are not answered")
    process.send_signal(signal.SIGTERM)
    figures = figures_of(process)
    verdict = verify_files(figures, store.write_to(tmp_path / "log"))
    assert verdict.is_good, verdict
    assert figures["lines"] == 10
    assert figures["unacknowledged"]["0"] >= 3
    assert verdict.counts.received >= 13
    assert figures["read_seconds"] is None


@pytest.mark.parametrize(
    ("options", "store", "message"),
    [
        ((), {"commands": (b"syslog",)}, "it takes no blocks of lines, only messages: --frames syslog"),
        (
            ("--frames=syslog", "--line-size=10000", "--run=r"),
            {"commands": (b"syslog",)},
            "frames of 9999 bytes, it takes 8096 at most",
        ),
        ((), {"commands": ()}, "it refuses: the server accepts neither lines nor syslog"),
    ],
)
def test_an_unsuitable_server_is_one_line(
    start: Start, options: tuple[str, ...], store: dict[str, Any], message: str
) -> None:
    with RelpServer(**store) as server:
        process = start("load", "--protocol=relp", f"--port={server.port}", *options)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == f"nodelog load: cannot send to 127.0.0.1 port {server.port}: {message}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--frames=syslog",), "lines have no frames: add --protocol relp"),
        (("--through-restarts",), "lines have no acknowledgements to wait for: add --protocol relp"),
        (("--protocol=udp",), "'udp' is not lines or relp"),
    ],
)
def test_options_that_do_not_fit_together_are_one_line(
    start: Start, options: tuple[str, ...], message: str
) -> None:
    process = start("load", *options)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (2, 1)
    assert message in err


def test_a_report_has_the_time_until_the_acknowledgement(start: Start, tmp_path: Path) -> None:
    with RelpServer() as store:
        report = tmp_path / "report.html"
        arguments = ("--protocol=relp", "--bytes=1MiB", f"--report={report}")
        process = start("load", f"--port={store.port}", *arguments)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "ack after:  mean" in out
    assert " s, acknowledged\n" in out
    assert report.read_text().count("<svg") == 3


def wait_until_stored(logd: Logd, size: int) -> None:
    wait_for(lambda: logd.metric("nodelog_written_bytes_total") > size, "lines arrive")


def test_kill_9_of_logd_loses_doubles_and_tears_nothing(
    start: Start, logd: StartLogd, tmp_path: Path
) -> None:
    daemon = logd("--rotate-size=16MiB")
    arguments = ("--rate=20000", "--write-size=line", "--connections=50", "--through-restarts", "--json")
    process = start("load", "--protocol=relp", f"--port={daemon.port}", *arguments)
    for _ in range(2):
        wait_until_stored(daemon, 300_000)
        daemon.kill()
        daemon.restart()
    wait_until_stored(daemon, 300_000)
    daemon.restart()  # and an orderly restart
    wait_until_stored(daemon, 300_000)
    process.send_signal(signal.SIGTERM)
    figures = figures_of(process)
    assert daemon.stop() == 0
    verdict = verify_files(figures, *tmp_path.glob("node_log*"))
    assert verdict.is_good, verdict
    assert verdict.counts.received == figures["lines"]
    assert figures["unacknowledged"] == {}
    assert figures["reconnects"] >= 50


def test_blocks_survive_kill_9_of_logd_flat_out(start: Start, logd: StartLogd, tmp_path: Path) -> None:
    daemon = logd("--sync=interval=1s", "--rotate-size=1TiB")
    arguments = ("--connections=4", "--through-restarts", "--json")
    process = start("load", "--protocol=relp", f"--port={daemon.port}", *arguments)
    for _ in range(2):
        wait_until_stored(daemon, 10 << 20)
        daemon.kill()
        daemon.restart()
    wait_until_stored(daemon, 10 << 20)
    process.send_signal(signal.SIGTERM)
    figures = figures_of(process)
    assert daemon.stop() == 0
    verdict = verify_files(figures, tmp_path / "node_log")
    assert verdict.is_good, verdict
    assert verdict.counts.received == figures["lines"]
    assert figures["unacknowledged"] == {}


def test_through_restarts_it_waits_at_the_end_until_the_collector_is_back(
    start: Start, logd: StartLogd, tmp_path: Path
) -> None:
    daemon = logd()
    arguments = ("--rate=20000", "--write-size=line", "--connections=5", "--json")
    process = start("load", "--protocol=relp", "--through-restarts", f"--port={daemon.port}", *arguments)
    wait_until_stored(daemon, 100_000)
    daemon.kill()
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    daemon.restart()
    figures = figures_of(process)
    assert daemon.stop() == 0
    assert verify_files(figures, tmp_path / "node_log").is_good
    assert figures["unacknowledged"] == {}
    assert figures["read_seconds"] > figures["handed_seconds"]


def test_a_signal_ends_the_wait_for_a_collector_that_is_away(start: Start) -> None:
    with RelpServer(fail=lambda block: "silent" if block > 10 else None) as store:
        arguments = ("--connections=1", "--write-size=line", "--rate=1000", "--duration=300ms", "--json")
        process = start("load", "--protocol=relp", "--through-restarts", f"--port={store.port}", *arguments)
        wait_for(lambda: store.blocks > 12, "blocks are not answered")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.8)
    process.send_signal(signal.SIGTERM)
    figures = figures_of(process)
    assert figures["lines"] == 10
    assert figures["unacknowledged"]["0"] >= 3
    assert figures["errors"]["Connection refused"] >= 1
