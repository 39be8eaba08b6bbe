"""Listening sockets: families, free ports, and what an operator reads when one cannot be opened."""

import errno
import socket
from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Protocol

import pytest
from tests.waiting import PATIENCE

from nodelogd.service import listening_sockets
from nodelogd.service.listening_sockets import Address, ListenError, listen_on, port_of


class Opening(Protocol):
    """Opens sockets that the test's end closes."""

    def __call__(self, host: str | None, port: int = 0, option: str = "--listen") -> list[socket.socket]:
        """Open them."""


@pytest.fixture
def opened() -> Generator[Opening]:
    with ExitStack() as stack:

        def opening(host: str | None, port: int = 0, option: str = "--listen") -> list[socket.socket]:
            return [stack.enter_context(found) for found in listen_on(Address(host, port), option)]

        yield opening


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Let the node lack a family: the kernel's own answer, at the one call that would get it."""

    def lack(family: int, number: int) -> None:
        real = listening_sockets._listen

        def listen(endpoint: listening_sockets._Endpoint, port: int) -> socket.socket:
            if endpoint.family == family:
                raise OSError(number, "lacking")
            return real(endpoint, port)

        monkeypatch.setattr(listening_sockets, "_listen", listen)

    return lack


def test_without_a_host_both_families_share_a_free_port(opened: Opening) -> None:
    found = opened(None)
    assert [each.family for each in found] == [socket.AF_INET, socket.AF_INET6]
    assert {each.getsockname()[1] for each in found} == {port_of(found)}
    assert port_of(found) != 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_both_families_are_answered_with_their_own_addresses(opened: Opening, host: str) -> None:
    found = opened(None)
    with socket.create_connection((host, port_of(found)), timeout=PATIENCE) as peer:
        listener = next(each for each in found if each.family == peer.family)
        listener.setblocking(True)
        connection, address = listener.accept()
        with connection:
            assert address[0] == host


def test_a_named_address_is_one_socket(opened: Opening) -> None:
    assert [each.getsockname()[0] for each in opened("127.0.0.1")] == ["127.0.0.1"]
    assert [each.getsockname()[0] for each in opened("::1")] == ["::1"]


def test_a_name_is_looked_up(opened: Opening) -> None:
    assert {each.getsockname()[0] for each in opened("localhost")} <= {"127.0.0.1", "::1"}


def test_sockets_are_non_blocking_and_what_they_accept_is_kept_alive(opened: Opening) -> None:
    listener = opened("127.0.0.1")[0]
    assert listener.gettimeout() == 0.0
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.setblocking(True)
    with socket.create_connection(listener.getsockname(), timeout=PATIENCE):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60


def test_a_port_is_taken_again_at_once_after_a_restart(opened: Opening) -> None:
    first = opened("127.0.0.1")[0]
    port = port_of([first])
    first.setblocking(True)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
        first.accept()[0].close()  # ours closes first and stays in TIME_WAIT
        first.close()
    assert port_of(opened("127.0.0.1", port)) == port


def test_a_taken_port_is_an_error_that_says_what_to_do(opened: Opening) -> None:
    port = port_of(opened("127.0.0.1"))
    with pytest.raises(ListenError) as caught:
        opened("127.0.0.1", port, "--http")
    wanted = f"port {port} on 127.0.0.1 is taken by another process; stop it or choose another with --http"
    assert str(caught.value) == wanted
    assert caught.value.errno == errno.EADDRINUSE


def test_if_one_family_cannot_be_opened_none_is(opened: Opening) -> None:
    port = port_of(opened("::1"))
    with pytest.raises(ListenError, match=f"port {port} on :: is taken"):
        opened(None, port)
    assert opened("127.0.0.1", port)


def test_a_free_port_that_the_other_family_has_not_is_drawn_again(
    opened: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = listening_sockets._listen, list[int]()

    def listen(endpoint: listening_sockets._Endpoint, port: int) -> socket.socket:
        if endpoint.family == socket.AF_INET6 and len(refused) < 3:
            refused.append(port)
            raise OSError(errno.EADDRINUSE, "taken")
        return real(endpoint, port)

    monkeypatch.setattr(listening_sockets, "_listen", listen)
    assert len(opened(None)) == 2
    assert len(refused) == 3


def test_drawing_free_ports_ends(without: Callable[[int, int], None], opened: Opening) -> None:
    without(socket.AF_INET6, errno.EADDRINUSE)
    with pytest.raises(ListenError, match="is taken by another process"):
        opened(None)


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_a_family_that_the_node_lacks_is_skipped(
    without: Callable[[int, int], None], opened: Opening, number: int
) -> None:
    without(socket.AF_INET6, number)
    assert [each.family for each in opened(None)] == [socket.AF_INET]


def test_a_named_family_that_the_node_lacks_is_an_error(
    without: Callable[[int, int], None], opened: Opening
) -> None:
    without(socket.AF_INET6, errno.EAFNOSUPPORT)
    with pytest.raises(ListenError, match="this node lacks the family of ::1; choose another address"):
        opened("::1")


def test_a_node_without_any_family_is_an_error(without: Callable[[int, int], None], opened: Opening) -> None:
    without(socket.AF_INET, errno.EAFNOSUPPORT)
    without(socket.AF_INET6, errno.EAFNOSUPPORT)
    with pytest.raises(ListenError, match="neither IPv4 nor IPv6"):
        opened(None)


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
def test_the_kernels_other_answers_are_explained_too(
    without: Callable[[int, int], None], opened: Opening, number: int, message: str
) -> None:
    without(socket.AF_INET, number)
    with pytest.raises(ListenError) as caught:
        opened("127.0.0.1", 80)
    assert str(caught.value) == message


def test_an_address_of_another_node_is_an_error(opened: Opening) -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1 is not an address of this node"):
        opened("192.0.2.1")


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 300, "a..b"])
def test_a_name_that_nobody_has_is_an_error(opened: Opening, host: str) -> None:
    with pytest.raises(
        ListenError, match=r"cannot find the address of .* correct it with --listen"
    ) as caught:
        opened(host)
    assert "\n" not in str(caught.value)
