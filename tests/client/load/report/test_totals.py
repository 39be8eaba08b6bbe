import json
from dataclasses import replace

from nodelog.load.generator.coordinator import LoadResult
from nodelog.load.generator.latency_histogram import LatencyHistogram
from nodelog.load.generator.settings import Settings
from nodelog.load.generator.worker import WorkerResult
from nodelog.load.report.totals import Totals, add_up, to_json, to_text
from nodelog.load.verifier.verdict import parse_sent

SETTINGS = Settings(run="run", processes=2)
SECOND = 10**9


def worker(number: int, lines: int, handed_at: int, read_at: int | None, cpu: float = 1.0) -> WorkerResult:
    latency = LatencyHistogram()
    latency.add(2_000_000)
    return WorkerResult(
        sent={str(number): lines}, late=3, handed_at=handed_at, read_at=read_at, cpu=cpu, connections_made=5,
        reconnects=1, errors={"Broken pipe": 1}, latency=latency.encode(),
        ack_latency=LatencyHistogram().encode(),
    )  # fmt: skip


def totals_of(*workers: WorkerResult) -> Totals:
    return add_up(
        SETTINGS,
        LoadResult(start=SECOND, workers=workers, samples=(), machine=0.5),
        LatencyHistogram(),
        LatencyHistogram(),
    )


def test_workers_are_added_up() -> None:
    totals = totals_of(
        worker(10, 1000, 3 * SECOND, 4 * SECOND), worker(9, 500, 5 * SECOND, 6 * SECOND, cpu=3.8)
    )
    assert (totals.lines, totals.bytes, totals.late, totals.reconnects) == (1500, 192_000, 6, 2)
    assert (totals.handed_seconds, totals.read_seconds, totals.seconds) == (4.0, 5.0, 5.0)
    assert totals.connections_made == 10
    assert totals.errors == {"Broken pipe": 2}
    assert totals.processes == [0.5, 0.95]
    assert totals.latency_us["max"] == 2000
    assert list(totals.sent) == ["9", "10"]


def test_the_rate_refers_to_what_was_read() -> None:
    totals = totals_of(worker(0, 1000, 2 * SECOND, 3 * SECOND))
    assert to_json(SETTINGS, totals)["lines_per_second"] == 500
    assert "rate:       64 kB/s, 500 lines/s" in to_text(SETTINGS, totals)


def test_a_collector_that_did_not_read_everything_is_reported() -> None:
    totals = totals_of(worker(0, 1000, 2 * SECOND, None), worker(1, 1000, 2 * SECOND, 3 * SECOND))
    assert totals.read_seconds is None
    assert totals.seconds == 1.0
    assert any(line.startswith("not read: ") for line in to_text(SETTINGS, totals))


def test_the_text_report_has_each_figure() -> None:
    totals = totals_of(worker(0, 12_000_000, 2 * SECOND, 2 * SECOND, cpu=0.97))
    assert to_text(SETTINGS, totals) == [
        "run:        run to 127.0.0.1 port 6666, 64 connections, 128 bytes a line, 512 lines a write",
        "sent:       12,000,000 lines, 1.54 GB in 1.00 s",
        "rate:       1.54 GB/s, 12,000,000 lines/s",
        "late:       3 lines were due and are not sent",
        "latency:    mean 2 ms, p50 2 ms, p90 2 ms, p99 2 ms, p99.9 2 ms, p99.99 2 ms, max 2 ms",
        "reconnects: 1",
        "error:      Broken pipe (1)",
        "generator:  97 % of a core - the limit was the generator",
    ]


def test_verify_can_read_the_json() -> None:
    totals = totals_of(worker(0, 12, SECOND, SECOND))
    assert parse_sent(json.dumps(to_json(SETTINGS, totals))) == ("run", {0: 12}, {})


def test_acknowledged_and_unacknowledged_lines_are_reported() -> None:
    acks = LatencyHistogram()
    acks.add(5_000_000)
    one = replace(worker(0, 1000, 2 * SECOND, None), ack_latency=acks.encode(), unacknowledged={"0": 1200})
    settings = Settings(run="run", protocol="relp", frames="syslog")
    totals = add_up(
        settings,
        LoadResult(start=SECOND, workers=(one,), samples=(), machine=0.5),
        LatencyHistogram(),
        LatencyHistogram(),
    )
    report = to_text(settings, totals)
    assert report[0].endswith("128 bytes a line, one line a frame, 512 lines a write")
    assert report[1] == "sent:       1,000 lines, 128 kB in 1.00 s, acknowledged"
    assert "unsettled:  1,200 more lines are not acknowledged; they may be stored or not" in report
    assert any(line.startswith("ack after:  mean 5") for line in report)
    assert parse_sent(json.dumps(to_json(settings, totals))) == ("run", {0: 1000}, {0: 1200})
