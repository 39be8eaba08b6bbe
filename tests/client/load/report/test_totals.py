import json
from dataclasses import replace

from nodelog.load.generator.coordinator import Record
from nodelog.load.generator.latency_histogram import Latency
from nodelog.load.generator.settings import Settings
from nodelog.load.generator.worker import Outcome
from nodelog.load.report.totals import Totals, to_json, to_text, total
from nodelog.load.verifier.verdict import read_sent

SETTINGS = Settings(run="run", processes=2)
SECOND = 10**9


def outcome(number: int, lines: int, handed: int, read: int | None, cpu: float = 1.0) -> Outcome:
    latency = Latency()
    latency.add(2_000_000)
    return Outcome(
        sent={str(number): lines}, late=3, handed=handed, read=read, cpu=cpu, connections_made=5,
        reconnects=1, errors={"Broken pipe": 1}, latency=latency.encode(), ack_latency=Latency().encode(),
    )  # fmt: skip


def totals(*outcomes: Outcome) -> Totals:
    return total(
        SETTINGS, Record(start=SECOND, outcomes=outcomes, moments=(), machine=0.5), Latency(), Latency()
    )


def test_processes_are_added_up() -> None:
    found = totals(
        outcome(10, 1000, 3 * SECOND, 4 * SECOND), outcome(9, 500, 5 * SECOND, 6 * SECOND, cpu=3.8)
    )
    assert (found.lines, found.bytes, found.late, found.reconnects) == (1500, 192_000, 6, 2)
    assert (found.handed_seconds, found.read_seconds, found.seconds) == (4.0, 5.0, 5.0)
    assert found.connections_made == 10
    assert found.errors == {"Broken pipe": 2}
    assert found.processes == [0.5, 0.95]
    assert found.latency_us["max"] == 2000
    assert list(found.sent) == ["9", "10"]


def test_the_rate_is_that_of_what_was_read() -> None:
    found = totals(outcome(0, 1000, 2 * SECOND, 3 * SECOND))
    assert to_json(SETTINGS, found)["lines_per_second"] == 500
    assert "rate:       64 kB/s, 500 lines/s" in to_text(SETTINGS, found)


def test_a_collector_that_did_not_read_all_is_told() -> None:
    found = totals(outcome(0, 1000, 2 * SECOND, None), outcome(1, 1000, 2 * SECOND, 3 * SECOND))
    assert found.read_seconds is None
    assert found.seconds == 1.0
    assert any(line.startswith("not read: ") for line in to_text(SETTINGS, found))


def test_what_people_read_has_each_figure() -> None:
    found = totals(outcome(0, 12_000_000, 2 * SECOND, 2 * SECOND, cpu=0.97))
    assert to_text(SETTINGS, found) == [
        "run:        run to 127.0.0.1 port 6666, 64 connections, 128 bytes a line, 512 lines a write",
        "sent:       12,000,000 lines, 1.54 GB in 1.00 s",
        "rate:       1.54 GB/s, 12,000,000 lines/s",
        "late:       3 lines were due and are not sent",
        "latency:    mean 2 ms, p50 2 ms, p90 2 ms, p99 2 ms, p99.9 2 ms, p99.99 2 ms, max 2 ms",
        "reconnects: 1",
        "error:      Broken pipe (1)",
        "generator:  97 % of a core - the limit was the generator",
    ]


def test_verify_reads_what_is_printed_as_json() -> None:
    found = totals(outcome(0, 12, SECOND, SECOND))
    assert read_sent(json.dumps(to_json(SETTINGS, found))) == ("run", {0: 12}, {})


def test_what_is_acknowledged_is_told_and_what_is_not() -> None:
    acks = Latency()
    acks.add(5_000_000)
    one = replace(outcome(0, 1000, 2 * SECOND, None), ack_latency=acks.encode(), unacknowledged={"0": 1200})
    settings = Settings(run="run", protocol="relp", frames="syslog")
    found = total(
        settings, Record(start=SECOND, outcomes=(one,), moments=(), machine=0.5), Latency(), Latency()
    )
    said = to_text(settings, found)
    assert said[0].endswith("128 bytes a line, one line a frame, 512 lines a write")
    assert said[1] == "sent:       1,000 lines, 128 kB in 1.00 s, acknowledged"
    assert "unsettled:  1,200 more lines are not acknowledged; they may be stored or not" in said
    assert any(line.startswith("ack after:  mean 5") for line in said)
    assert read_sent(json.dumps(to_json(settings, found))) == ("run", {0: 1000}, {0: 1200})
