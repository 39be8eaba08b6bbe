"""`nodelog load` as users start it, against sockets."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.client.load.load_output import figures_of
from tests.client.load.sink import Sink
from tests.waiting import wait_for

from nodelog.load.verifier.verdict import Verdict, verify

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]


def verify_files(figures: dict[str, Any], *files: Path) -> Verdict:
    sent = {int(number): lines for number, lines in figures["sent"].items()}
    return verify(figures["run"], list(files), sent, lambda _path, _done: None)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--write-size=line",),
        ("--line-size=64B", "--connections=3"),
        ("--line-size=100B", "--write-size=1MiB", "--processes=2"),
        ("--connections=500", "--processes=2"),
        ("--rate=50000", "--write-size=line", "--connections=7"),
        ("--rate=100000", "--write-size=1000B"),
    ],
)
def test_each_line_arrives_once_intact_and_in_order(
    start: Start, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with Sink() as sink:
        figures = figures_of(start("load", f"--port={sink.port}", "--bytes=1MiB", "--json", *options))
    verdict = verify_files(figures, sink.write_to(tmp_path / "log"))
    assert verdict.is_good, verdict
    assert verdict.counts.received == figures["lines"] == -(-(1 << 20) // figures["line_size"])
    assert len(sink.received) == figures["connections"]
    assert figures["errors"] == {}
    assert figures["late"] == figures["reconnects"] == 0
    assert 0 < figures["handed_seconds"] <= figures["read_seconds"] == figures["seconds"]
    assert figures["latency_us"]["p50"] <= figures["latency_us"]["max"]
    assert len(figures["processor_shares"]) == figures["processes"]


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (("--per-connection", "--connections=5"), 1),
        (("--per-connection=4", "--connections=3", "--processes=2"), 4),
        (("--per-connection=3", "--write-size=line", "--connections=2"), 3),
        (("--per-connection", "--rate=2000", "--connections=50"), 1),
    ],
)
def test_a_connection_carries_its_share_of_lines_and_the_next_waits_until_it_was_read(
    start: Start, tmp_path: Path, options: tuple[str, ...], lines: int
) -> None:
    with Sink() as sink:
        sent = figures_of(start("load", f"--port={sink.port}", "--bytes=120KiB", "--json", *options))
    verdict = verify_files(sent, sink.write_to(tmp_path / "log"))
    assert verdict.is_good, verdict
    assert verdict.counts.received == sent["lines"] == 960
    assert [data.count(b"\n") for data in sink.received] == [lines] * (960 // lines)
    assert sent["connections_made"] == 960 // lines
    assert sent["reconnects"] == sent["late"] == 0
    assert sent["errors"] == {}


def test_connections_that_are_reset_after_their_share_do_not_stop_the_clients(start: Start) -> None:
    options = ("--bytes=20KiB", "--json", "--per-connection", "--connections=2")
    with Sink(reset_after=1) as sink:
        sent = figures_of(start("load", f"--port={sink.port}", *options))
    assert sent["lines"] == 160
    assert sink.disruptions == 3
    assert sent["connections_made"] >= 160


def test_a_schedule_is_kept_and_ends_in_time(start: Start, tmp_path: Path) -> None:
    with Sink() as sink:
        figures = figures_of(
            start(
                "load",
                f"--port={sink.port}",
                "--rate=2000",
                "--write-size=line",
                "--duration=500ms",
                "--json",
            )
        )
    assert figures["lines"] + figures["late"] == 1000
    assert figures["handed_seconds"] >= 0.5
    assert verify_files(figures, sink.write_to(tmp_path / "log")).is_good


def test_a_stall_shows_in_the_latencies(start: Start, tmp_path: Path) -> None:
    """Lines that were due while nobody read count with all the time that they were late."""
    with Sink(read_from_start=False) as sink:
        arguments = (
            "--rate=4000",
            "--line-size=64KiB",
            "--write-size=line",
            "--connections=2",
            "--bytes=64MiB",
        )
        process = start("load", f"--port={sink.port}", "--run=stall", "--json", *arguments)
        wait_for(lambda: select.select([sink.listener], [], [], 0)[0], "it connects")
        wait_for_blocked(process)
        sink.read()
        figures = figures_of(process)
    assert figures["lines"] == 1024
    assert figures["latency_us"]["max"] > 500_000
    assert figures["latency_us"]["p50"] > 100_000
    assert verify_files(figures, sink.write_to(tmp_path / "log")).is_good


def wait_for_blocked(process: subprocess.Popen[str]) -> None:
    """Return when the load has been running for more than half a second."""
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.8)


def test_after_a_reset_it_continues_and_sends_nothing_twice(start: Start, tmp_path: Path) -> None:
    with Sink(reset_after=200_000) as sink:
        arguments = (
            "--bytes=4MiB",
            "--rate=8000",
            "--connections=4",
            "--line-size=1KiB",
            "--write-size=8KiB",
        )
        figures = figures_of(start("load", f"--port={sink.port}", "--json", *arguments))
    assert sink.disruptions == 3
    assert figures["reconnects"] == 3
    assert sum(figures["errors"].values()) >= 3
    verdict = verify_files(figures, sink.write_to(tmp_path / "log"))
    assert verdict.counts.doubled.lines == verdict.torn == verdict.counts.unknown.lines == 0
    assert verdict.counts.received + verdict.counts.lost.lines == figures["lines"] == 4096


@pytest.mark.parametrize("options", [("--write-size=64KiB",), ("--rate=3000", "--write-size=line")])
def test_after_a_fin_the_line_is_finished_and_nothing_is_lost(
    start: Start, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with Sink(end_stream_after=200_000) as sink:
        arguments = ("--bytes=16MiB", "--connections=4", "--line-size=5000", "--json", *options)
        figures = figures_of(start("load", f"--port={sink.port}", *arguments))
    assert sink.disruptions == figures["reconnects"] == 3
    assert figures["errors"] == {}
    assert verify_files(figures, sink.write_to(tmp_path / "log")).is_good


def test_a_signal_ends_it_after_whole_lines(start: Start, tmp_path: Path) -> None:
    with Sink() as sink:
        process = start("load", f"--port={sink.port}", "--processes=2", "--rate=50000", "--json")
        wait_for(lambda: sink.bytes > 0, "lines arrive")
        process.send_signal(signal.SIGTERM)
        figures = figures_of(process)
    verdict = verify_files(figures, sink.write_to(tmp_path / "log"))
    assert verdict.is_good
    assert verdict.counts.received == figures["lines"] > 0


def test_the_figures_are_printed_as_text(start: Start) -> None:
    with Sink() as sink:
        process = start("load", f"--port={sink.port}", "--bytes=1MiB", "--run=ab12cd", HOST_IP="127.0.0.1")
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert f"run:        ab12cd to 127.0.0.1 port {sink.port}, 64 connections" in out
    assert "sent:       8,192 lines, 1.05 MB in " in out
    assert "generator:  " in out


def test_a_report_is_one_self_contained_page(start: Start, tmp_path: Path) -> None:
    with Sink() as sink:
        report = tmp_path / "report.html"
        figures_of(start("load", f"--port={sink.port}", "--bytes=1MiB", f"--report={report}", "--json"))
    render_page = report.read_text()
    assert render_page.startswith("<!DOCTYPE html>")
    assert render_page.count("<svg") == 2
    assert "http" not in render_page


def test_a_report_that_cannot_be_written_is_one_line(start: Start) -> None:
    with Sink() as sink:
        process = start("load", f"--port={sink.port}", "--bytes=1KiB", "--report=/nowhere/x.html")
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == "nodelog load: cannot write the report /nowhere/x.html: No such file or directory\n"


@pytest.mark.parametrize("processes", ["1", "3"])
def test_a_missing_collector_is_one_line(start: Start, collector: socket.socket, processes: str) -> None:
    port = collector.getsockname()[1]
    collector.close()
    process = start("load", f"--port={port}", f"--processes={processes}", "--duration=1s")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == f"nodelog load: cannot send to 127.0.0.1 port {port}: Connection refused\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--line-size=10B",), "50B to 1MiB"),
        (("--write-size=10B",), "50B to 1MiB, or 'line'"),
        (("--write-size=100B",), "writes of 100 bytes, 128 (a line) to 1048576 allowed"),
        (("--line-size=52",), "lines of 52 bytes, at least 55 needed for run ab12cd"),
        (("--processes=65",), "65 processes for 64 connections"),
        (("--bytes=0",), "nothing to send"),
        (("--run=a b",), "is not a run"),
        (("--rate=0",), "a number of lines, 1 to"),
    ],
)
def test_a_wrong_option_is_one_line(start: Start, options: tuple[str, ...], message: str) -> None:
    process = start("load", "--run=ab12cd", *options)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (2, 1)
    assert message in err


@pytest.mark.parametrize(
    ("missing", "command"),
    [("rich", ("load",)), ("hdrh", ("load",)), ("rich", ("verify", "--run=a", "file"))],
)
def test_a_missing_extra_is_one_line(missing: str, command: tuple[str, ...]) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from nodelog.cli import main; sys.exit(main())"
    run = subprocess.run(
        [sys.executable, "-c", program, *command], capture_output=True, text=True, check=False
    )
    expected = f"nodelog {command[0]} needs the extra \"tools\": pip install 'nodelog[tools]'\n"
    assert (run.returncode, run.stderr) == (2, expected)
