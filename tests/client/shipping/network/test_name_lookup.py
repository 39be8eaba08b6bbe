from __future__ import annotations

import errno
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.waiting import PATIENCE, wait_for

from nodelog.shipping.network.name_lookup import NameLookup, connect_to, lookup_failure, resolve

if TYPE_CHECKING:
    from collections.abc import Generator

    from nodelog.shipping.network.name_lookup import Endpoint

LOCAL = (socket.AF_INET, ("127.0.0.1", 7))


class NameServer:
    """Takes the place of the system's resolver: it answers once `answers` is set."""

    def __init__(self) -> None:
        """Begin without answers."""
        self.answers = threading.Event()
        self.queries: list[str] = []
        self.addresses = ["127.0.0.1"]
        self.failure: Exception | None = None

    def query(self, host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        """Answer like getaddrinfo."""
        self.queries.append(host)
        self.answers.wait()
        if self.failure:
            raise self.failure
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses]


def outcome(lookup: NameLookup) -> list[Endpoint]:
    """Wait for the result of a lookup."""
    found: list[Endpoint] | None = None

    def is_done() -> bool:
        nonlocal found
        found = lookup.take_result()
        return found is not None

    wait_for(is_done)
    assert found is not None
    return found


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Generator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.query)
    yield server
    server.answers.set()
    wait_for(lambda: "nodelog-lookup" not in [thread.name for thread in threading.enumerate()])


def test_addresses_need_no_lookup(name_server: NameServer) -> None:
    lookup = NameLookup(["127.0.0.1", "::1", "127.0.0.1"], 7, lambda: None)
    assert lookup.take_result() == [LOCAL, (socket.AF_INET6, ("::1", 7))]
    assert not name_server.queries


def test_a_lookup_that_hangs_holds_nobody_up_and_is_the_only_one(name_server: NameServer) -> None:
    done = threading.Event()
    lookup = NameLookup(["a.example"], 7, done.set)
    assert [lookup.take_result() for _ in range(3)] == [None] * 3
    assert lookup.is_pending
    name_server.answers.set()
    assert done.wait(PATIENCE)
    assert lookup.take_result() == [LOCAL]
    assert name_server.queries == ["a.example"]


def test_each_round_looks_the_name_up_again(name_server: NameServer) -> None:
    name_server.answers.set()
    lookup = NameLookup(["a.example"], 7, lambda: None)
    for address in ("10.0.0.1", "10.0.0.2"):
        name_server.addresses = [address]
        assert outcome(lookup) == [(socket.AF_INET, (address, 7))]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "Try again"), "the name server does not answer (Try again)"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (UnicodeError("label too long"), "not a name: label too long"),
        (RuntimeError("no net in tests"), "the lookup failed: RuntimeError('no net in tests')"),
        (None, "its name has no address"),
    ],
)
def test_a_failed_lookup_says_why(name_server: NameServer, failure: Exception | None, message: str) -> None:
    name_server.answers.set()
    name_server.failure, name_server.addresses = failure, []
    lookup = NameLookup(["a.example"], 7, lambda: None)
    with pytest.raises(OSError, match=r"^.*$") as raised:
        outcome(lookup)
    assert lookup_failure(raised.value) == message


def test_a_program_without_descriptors_is_not_told_that_the_name_is_unknown() -> None:
    program = """
import os, resource
from nodelog.shipping.network.name_lookup import NameLookup, lookup_failure
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
"localhost".encode("idna")  # imports a module
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
except OSError:
    pass
try:
    NameLookup(["collector.example"], 7, lambda: None).wait_for_result(20)
except OSError as error:
    print(lookup_failure(error))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "Too many open files\n"


def test_a_name_without_an_address_does_not_hide_other_hosts(name_server: NameServer) -> None:
    name_server.answers.set()
    name_server.failure = socket.gaierror(socket.EAI_NONAME, "no")
    assert resolve(["a.example", "127.0.0.1"], 7) == [LOCAL]


def test_a_name_with_very_many_addresses_is_tried_at_some_of_them(name_server: NameServer) -> None:
    name_server.answers.set()
    name_server.addresses = [f"10.0.{number // 256}.{number % 256}" for number in range(10_000)]
    assert len(resolve(["a.example"], 7)) == 64


def test_a_program_that_can_start_no_thread_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    lookup = NameLookup(["a.example"], 7, lambda: None)
    with pytest.raises(OSError, match=r"^cannot look up its name: can't start new thread$"):
        lookup.take_result()
    assert not lookup.is_pending


def test_the_systems_resolver_is_used() -> None:
    assert LOCAL in resolve(["localhost"], 7)
    with pytest.raises(OSError, match=r"Name or service not known|No address associated|Temporary failure"):
        resolve(["no.such.host.invalid"], 7)


def test_a_wait_ends_without_an_answer_and_the_next_one_is_for_the_same_lookup(
    name_server: NameServer,
) -> None:
    lookup = NameLookup(["a.example"], 7, lambda: None)
    for _ in range(2):
        with pytest.raises(TimeoutError, match="the name server does not answer"):
            lookup.wait_for_result(0.01)
    name_server.answers.set()
    assert lookup.wait_for_result(PATIENCE) == [LOCAL]
    assert name_server.queries == ["a.example"]


def test_the_first_address_that_accepts_a_connection_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        endpoints = [
            (12345, address),
            (socket.AF_INET6, ("::1", address[1])),
            (socket.AF_INET, ("127.0.0.1", 1)),
            (socket.AF_INET, address),
        ]
        with connect_to(endpoints, PATIENCE) as connection:
            assert connection.getpeername() == address
    with pytest.raises(OSError, match="Connection refused"):
        connect_to(endpoints[:3], PATIENCE)
