"""A real logd, killed and stopped under RELP: each block is in the log once, in order, and counted."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.numbered_lines import sealed_files, wait_until_written
from tests.relp_client import STREAM, RelpClient, block, blocks, connect
from tests.system.logd.relp_streams import log_content, resume_from
from tests.waiting import PATIENCE, wait_for

from nodelog.wire.client_session import Acked, ServerClosing

if TYPE_CHECKING:
    from tests.processes.logd import Logd, StartLogd


SYNCS = ["batch", "interval=50ms", "off"]


@pytest.mark.parametrize("sync", SYNCS)
def test_a_kill_between_write_and_ack_neither_loses_nor_duplicates(logd: StartLogd, sync: str) -> None:
    collector = logd(f"--sync={sync}")
    first, count = 1, 30
    for round_ in range(3):
        with connect(collector.port, (STREAM, first)) as client:
            durable = client.welcome().durable or 0
            client.send(*(block(number) for number in range(max(first, durable + 1), count + 1)))
            wait_for(lambda last=round_ * 10 + 9: block(last) in collector.log.read_bytes())  # type: ignore[misc]
            collector.kill()  # at any number of acks
        collector.restart()
    resume_from(collector, first, count)
    assert collector.stop() == 0
    assert log_content(collector) == blocks(range(1, count + 1))


@pytest.mark.parametrize("sync", SYNCS)
def test_a_lost_ack_and_a_new_connection_cause_no_duplicate(logd: StartLogd, sync: str) -> None:
    collector = logd(f"--sync={sync}")
    for last in range(5, 51, 5):
        with connect(collector.port, (STREAM, 1)) as client:
            durable = client.welcome().durable or 0
            assert durable == last - 5
            client.send(*(block(number) for number in range(durable + 1, last + 1)))
            if last % 10:
                client.wait_for_acks()
            else:
                wait_for(lambda end=last: block(end) in collector.log.read_bytes())  # type: ignore[misc]
    assert collector.stop() == 0
    assert log_content(collector) == blocks(range(1, 51))


def test_a_new_connection_of_a_stream_closes_the_old_one(logd: StartLogd) -> None:
    collector = logd()
    with connect(collector.port, (STREAM, 1)) as old:
        old.welcome()
        old.store(block(1))
        with connect(collector.port, (STREAM, 2)) as new:
            assert new.welcome().durable == 1
            old.until_ended()
            new.store(block(2))
    assert collector.metric("nodelog_connections_closed_total", reason="replaced") == 1
    assert collector.stop() == 0
    assert log_content(collector) == blocks([1, 2])


def test_sighup_and_rotation_under_load_and_a_kill_lose_and_duplicate_nothing(logd: StartLogd) -> None:
    collector = logd("--rotate-size=64KiB")
    done = threading.Event()

    def rotate() -> None:
        while not done.wait(0.02):
            collector.signal(signal.SIGHUP)

    rotation = threading.Thread(target=rotate)
    rotation.start()
    try:
        with connect(collector.port, (STREAM, 1)) as client:
            client.welcome()
            for number in range(1, 61, 3):
                client.store(*(block(number, lines=100) for number in range(number, number + 3)))
            client.send(*(block(number, lines=100) for number in range(61, 81)))
    finally:
        done.set()
        rotation.join()
    collector.kill()
    collector.restart()
    with connect(collector.port, (STREAM, 61)) as client:
        durable = client.welcome().durable or 0
        assert durable >= 60
        client.store(*(block(number, lines=100) for number in range(durable + 1, 81)))
    assert collector.stop() == 0
    assert len(sealed_files(collector.log)) > 3
    assert log_content(collector) == blocks(range(1, 81), lines=100)


def test_at_sigterm_received_blocks_are_acknowledged_and_the_close_announced(logd: StartLogd) -> None:
    collector = logd("--linger=60s")
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(collector.port)) for _ in range(5)]
        for number, client in enumerate(clients):
            client.welcome()
            client.send(block(number))
        wait_for(lambda: collector.metric("nodelog_relp_frames_total") == 10)
        collector.signal(signal.SIGTERM)
        for client in clients:
            client.until_ended()
            assert client.events[1:] == [Acked(), ServerClosing()]
            client.sock.close()
        assert collector.wait() == 0
    assert sorted(log_content(collector).splitlines()) == sorted(blocks(range(5)).splitlines())


def test_sigterm_under_load_and_a_restart_lose_and_duplicate_nothing(logd: StartLogd) -> None:
    collector = logd()
    acked, total, restarts = 0, 400, 0
    while acked < total:
        with connect(collector.port, (STREAM, acked + 1)) as client:
            acked = max(acked, client.welcome().durable or 0)
            before, first = acked, acked + 1
            last = min(total, acked + 150)
            client.send(*(block(number, lines=50) for number in range(first, last + 1)))
            if restarts < 3:
                client.until(lambda one=client: one.acked > 0)
                collector.signal(signal.SIGTERM)
                client.until_ended()
            else:
                client.wait_for_acks()
            acked = before + client.acked
        if collector.process.poll() is not None or restarts < 3:
            assert collector.wait() == 0
            collector.restart()
            restarts += 1
    assert collector.stop() == 0
    assert log_content(collector) == blocks(range(1, total + 1), lines=50)


def test_a_message_that_is_too_large_is_refused_and_the_next_is_stored(logd: StartLogd) -> None:
    collector = logd("--max-line=1KiB")
    sock = socket.create_connection(("127.0.0.1", collector.port), timeout=PATIENCE)
    with RelpClient(sock, frames="syslog") as client:
        client.welcome()
        client.message(b"one", b"m" * 200_000, b"two\nlines")
        client.wait_for_acks()
        assert client.rejected == ["500 message of 200000 bytes, at most 66560 allowed"]
    assert collector.metric("nodelog_rejected_messages_total") == 1
    assert collector.stop() == 0
    assert log_content(collector) == b"one\ntwo\\nlines\n"


def test_a_relp_only_port_accepts_any_form_of_open(logd: StartLogd) -> None:
    collector = logd("--relp-listen=127.0.0.1:0")
    port = int(collector.records("listening on")[-1]["relp"][0].rpartition(":")[2])
    offers = b"commands=syslog\nrelp_version=0"
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(b"1 open %d %b\n2 syslog 5 hello\n" % (len(offers), offers))
        answers = b""
        while b"2 rsp" not in answers:
            answers += client.recv(1000)
        assert answers.startswith(b"1 rsp ")
        assert answers.endswith(b"2 rsp 6 200 OK\n")
    assert collector.stop() == 0
    assert log_content(collector) == b"hello\n"


def test_the_busiest_clients_are_listed_by_their_names(logd: StartLogd) -> None:
    collector = logd()
    with (
        connect(collector.port, name="web-1") as web,
        connect(collector.port, name="a\n\x1b[31mliar") as liar,
    ):
        for client in (web, liar):
            client.welcome()
        web.store(block(1, lines=100))
        liar.store(block(1))
        listed = collector.get_json("/status")[1]["busiest_clients"]
    assert [entry["name"] for entry in listed] == ["web-1", "a??[31mliar"]
    assert [entry["bytes"] for entry in listed] == [len(block(1, lines=100)), len(block(1))]


def test_all_bytes_are_accounted_for(logd: StartLogd) -> None:
    collector = logd("--stamp")
    with connect(collector.port, (STREAM, 1)) as client, collector.connect() as lines:
        client.welcome()
        client.store(block(1), b"", block(2))
        client.sock.sendall(b"5 lines 1000 half")
        lines.sendall(b"a line\nand a half")
        wait_for(lambda: collector.metric("nodelog_held_bytes") == len(b"5 lines 1000 half" + b"and a half"))
        assert_balanced(collector)
        client.sock.sendall(b"x" * 996 + b"!\n")  # without a final LF
        client.until_ended()
    wait_until_written(collector)
    assert_balanced(collector)


def assert_balanced(collector: Logd) -> None:
    received, added, written, held, dropped, overhead = (
        collector.metric(f"nodelog_{name}")
        for name in (
            "received_bytes_total", "added_bytes_total", "written_bytes_total", "held_bytes",
            "dropped_bytes_total", "relp_overhead_bytes_total",
        )
    )  # fmt: skip
    assert received + added == written + held + dropped + overhead
