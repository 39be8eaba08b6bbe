"""Senders that do not end their messages with LF, against a port with their framing."""

from __future__ import annotations

import json
import logging
import logging.handlers
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.processes.daemon import LISTENING, port_in
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from tests.processes.logd import Logd, StartLogd

    Sender = Callable[[int], AbstractContextManager[None]]

RECORDS = 1000


@contextmanager
def syslog_handler(port: int) -> Generator[None]:
    """Send records as the standard library does."""
    handler = logging.handlers.SysLogHandler(("127.0.0.1", port), socktype=socket.SOCK_STREAM)
    logger = logging.Logger("app")  # noqa: LOG001 (not part of the tree of loggers)
    logger.addHandler(handler)
    for number in range(RECORDS):
        logger.info("record %d\nsecond line", number)
    yield
    handler.close()


@contextmanager
def gelf(port: int) -> Generator[None]:
    """Send records as GELF over TCP."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        for number in range(RECORDS):
            message = {"version": "1.1", "host": "h", "short_message": f"record {number}"}
            client.sendall(json.dumps(message).encode() + b"\0")
        yield


@contextmanager
def octet_counting(port: int) -> Generator[None]:
    """Send records as RFC 6587 counts them."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        for number in range(RECORDS):
            message = b"<14>1 2026-01-01T00:00:00Z host app - - - record %d" % number
            client.sendall(b"%d %b" % (len(message), message))
        yield


@contextmanager
def framed(logd: StartLogd, framing: str) -> Generator[tuple[Logd, int]]:
    """Start a collector with a port for this framing; return both, and stop it in the end."""
    collector = logd(f"--listen=127.0.0.1:0,framing={framing}")
    (record,) = collector.records(LISTENING)
    yield collector, port_in(record["listen"][1])
    if collector.process.poll() is None:
        assert collector.stop() == 0


@pytest.mark.parametrize(
    ("framing", "sender"),
    [("nul", syslog_handler), ("nul", gelf), ("octet-counting", octet_counting)],
)
def test_records_are_lines_at_once_each_in_its_order(logd: StartLogd, framing: str, sender: Sender) -> None:
    with framed(logd, framing) as (collector, port), sender(port):
        wait_for(lambda: collector.text().count("\n") == RECORDS)
    lines = collector.text().splitlines()
    assert [f"record {number}" in line for number, line in enumerate(lines)] == [True] * RECORDS


@pytest.mark.parametrize("framing", ["nul", "octet-counting"])
def test_nothing_complete_is_lost_when_the_collector_is_stopped_under_an_open_connection(
    logd: StartLogd, framing: str
) -> None:
    sender = gelf if framing == "nul" else octet_counting
    with framed(logd, framing) as (collector, port), sender(port):
        wait_for(lambda: collector.metric("nodelog_connections_accepted_total") == 1)
        assert collector.stop() == 0
    assert collector.text().count("\n") == RECORDS
    assert collector.records("dropped") == []


def test_on_a_port_for_lf_the_collector_says_what_it_holds_and_what_it_drops(logd: StartLogd) -> None:
    collector = logd()
    with syslog_handler(collector.port):
        wait_for(lambda: collector.metric("nodelog_unended_connections") == 1)
        (record,) = collector.records("without the end of a line")
        assert "framing=nul" in record["message"]
        assert collector.stop() == 0
    (record,) = collector.records("dropped the last")
    assert "framing=nul" in record["message"]
