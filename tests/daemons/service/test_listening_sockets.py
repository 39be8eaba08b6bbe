"""Listening sockets: address families, free ports, and error messages for operators."""

import errno
import socket
from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Protocol

import pytest
from tests.waiting import PATIENCE

from nodelogd.service import listening_sockets
from nodelogd.service.listening_sockets import Address, ListenError, listen_on, port_of


class OpenSockets(Protocol):
    """Opens sockets that are closed after the test."""

    def __call__(self, host: str | None, port: int = 0, option: str = "--listen") -> list[socket.socket]:
        """Open sockets."""


@pytest.fixture
def open_sockets() -> Generator[OpenSockets]:
    with ExitStack() as stack:

        def open_sockets(host: str | None, port: int = 0, option: str = "--listen") -> list[socket.socket]:
            return [stack.enter_context(sock) for sock in listen_on(Address(host, port), option)]

        yield open_sockets


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Return a function that makes opening a socket of a family fail with an errno."""

    def lack(family: int, number: int) -> None:
        real = listening_sockets._listen

        def listen(endpoint: listening_sockets._Endpoint, port: int) -> socket.socket:
            if endpoint.family == family:
                raise OSError(number, "lacking")
            return real(endpoint, port)

        monkeypatch.setattr(listening_sockets, "_listen", listen)

    return lack


def test_without_a_host_both_families_share_a_free_port(open_sockets: OpenSockets) -> None:
    sockets = open_sockets(None)
    assert [sock.family for sock in sockets] == [socket.AF_INET, socket.AF_INET6]
    assert {sock.getsockname()[1] for sock in sockets} == {port_of(sockets)}
    assert port_of(sockets) != 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_family_shows_peers_with_their_own_addresses(open_sockets: OpenSockets, host: str) -> None:
    sockets = open_sockets(None)
    with socket.create_connection((host, port_of(sockets)), timeout=PATIENCE) as peer:
        listener = next(sock for sock in sockets if sock.family == peer.family)
        listener.setblocking(True)
        connection, address = listener.accept()
        with connection:
            assert address[0] == host


def test_a_named_address_is_one_socket(open_sockets: OpenSockets) -> None:
    assert [sock.getsockname()[0] for sock in open_sockets("127.0.0.1")] == ["127.0.0.1"]
    assert [sock.getsockname()[0] for sock in open_sockets("::1")] == ["::1"]


def test_a_host_name_is_resolved(open_sockets: OpenSockets) -> None:
    assert {sock.getsockname()[0] for sock in open_sockets("localhost")} <= {"127.0.0.1", "::1"}


def test_sockets_are_non_blocking_and_accepted_ones_have_keepalive(open_sockets: OpenSockets) -> None:
    listener = open_sockets("127.0.0.1")[0]
    assert listener.gettimeout() == 0.0
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.setblocking(True)
    with socket.create_connection(listener.getsockname(), timeout=PATIENCE):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            idle, interval, count = (
                connection.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + interval * count <= 30  # seconds
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


def test_a_port_can_be_reused_at_once_after_a_restart(open_sockets: OpenSockets) -> None:
    first = open_sockets("127.0.0.1")[0]
    port = port_of([first])
    first.setblocking(True)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
        first.accept()[0].close()  # our side closes first and stays in TIME_WAIT
        first.close()
    assert port_of(open_sockets("127.0.0.1", port)) == port


def test_a_taken_port_is_an_error_that_says_what_to_do(open_sockets: OpenSockets) -> None:
    port = port_of(open_sockets("127.0.0.1"))
    with pytest.raises(ListenError) as caught:
        open_sockets("127.0.0.1", port, "--http")
    expected = f"port {port} on 127.0.0.1 is taken by another process; stop it or choose another with --http"
    assert str(caught.value) == expected
    assert caught.value.errno == errno.EADDRINUSE


def test_if_one_family_fails_no_socket_stays_open(open_sockets: OpenSockets) -> None:
    port = port_of(open_sockets("::1"))
    with pytest.raises(ListenError, match=f"port {port} on :: is taken"):
        open_sockets(None, port)
    assert open_sockets("127.0.0.1", port)


def test_a_port_that_is_free_for_one_family_only_is_replaced_by_another(
    open_sockets: OpenSockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = listening_sockets._listen, list[int]()

    def listen(endpoint: listening_sockets._Endpoint, port: int) -> socket.socket:
        if endpoint.family == socket.AF_INET6 and len(refused) < 3:
            refused.append(port)
            raise OSError(errno.EADDRINUSE, "taken")
        return real(endpoint, port)

    monkeypatch.setattr(listening_sockets, "_listen", listen)
    assert len(open_sockets(None)) == 2
    assert len(refused) == 3


def test_the_search_for_a_free_port_ends(
    without: Callable[[int, int], None], open_sockets: OpenSockets
) -> None:
    without(socket.AF_INET6, errno.EADDRINUSE)
    with pytest.raises(ListenError, match="is taken by another process"):
        open_sockets(None)


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_a_family_that_the_node_lacks_is_skipped(
    without: Callable[[int, int], None], open_sockets: OpenSockets, number: int
) -> None:
    without(socket.AF_INET6, number)
    assert [sock.family for sock in open_sockets(None)] == [socket.AF_INET]


def test_a_named_family_that_the_node_lacks_is_an_error(
    without: Callable[[int, int], None], open_sockets: OpenSockets
) -> None:
    without(socket.AF_INET6, errno.EAFNOSUPPORT)
    with pytest.raises(ListenError, match="this node lacks the family of ::1; choose another address"):
        open_sockets("::1")


def test_a_node_without_any_family_is_an_error(
    without: Callable[[int, int], None], open_sockets: OpenSockets
) -> None:
    without(socket.AF_INET, errno.EAFNOSUPPORT)
    without(socket.AF_INET6, errno.EAFNOSUPPORT)
    with pytest.raises(ListenError, match="neither IPv4 nor IPv6"):
        open_sockets(None)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, "no permission for port 80 on 127.0.0.1; choose one above 1023 with --listen"),
        (
            errno.EMFILE,
            "cannot listen on port 80 of 127.0.0.1: Too many open files",
        ),
    ],
)
def test_other_errors_of_the_kernel_are_explained(
    without: Callable[[int, int], None], open_sockets: OpenSockets, number: int, message: str
) -> None:
    without(socket.AF_INET, number)
    with pytest.raises(ListenError) as caught:
        open_sockets("127.0.0.1", 80)
    assert str(caught.value) == message


def test_an_address_of_another_node_is_an_error(open_sockets: OpenSockets) -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1 is not an address of this node"):
        open_sockets("192.0.2.1")


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 300, "a..b"])
def test_an_unknown_host_name_is_an_error(open_sockets: OpenSockets, host: str) -> None:
    with pytest.raises(
        ListenError, match=r"cannot find the address of .* correct it with --listen"
    ) as caught:
        open_sockets(host)
    assert "\n" not in str(caught.value)
