"""The sockets that a daemon listens on.

`*:PORT` opens one socket for each address family of the node (`IPV6_V6ONLY`): a single dual-stack socket
would show IPv4 peers as `::ffff:10.0.0.1`, and could not be opened at all where IPv6 is disabled.
"""

import errno
import os
import socket
from collections.abc import Iterable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import Final

BACKLOG: Final = 65_535  # connections that wait to be accepted; net.core.somaxconn limits it, too
FREE_PORT_TRIES: Final = 16
# A peer whose kernel has not answered for 27 s is gone. On Linux, accepted sockets inherit these options. Not
# TCP_USER_TIMEOUT: it also ends a connection whose peer does not read for so long.
KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 4), (socket.TCP_KEEPCNT, 3))


class ListenError(OSError):
    """A socket cannot be opened; the message is one line that says what an operator can do."""

    def __str__(self) -> str:
        return str(self.strerror)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; host None means every address family of the node, port 0 a free port."""

    host: str | None
    port: int

    def __str__(self) -> str:
        host = "*" if self.host is None else f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One address of one family; only an address that was named must exist on the node."""

    family: int
    host: str
    scope: tuple[int, ...]
    """IPv6 only: flow label, and the interface number of a link-local address."""
    named: bool


def listen_on(address: Address, option: str = "--listen") -> list[socket.socket]:
    """Open listening, non-blocking sockets for `address`, all on the same port. The caller closes them.

    Raise a ListenError if one cannot be opened; its message names `option` as the one to change.
    """
    endpoints = _endpoints(address, option)
    tries = FREE_PORT_TRIES if address.port == 0 else 1
    while True:
        tries -= 1
        try:
            return _open(endpoints, address.port, option)
        except ListenError as error:
            # The port that was free for the first family is taken for the second: try another one.
            if error.errno != errno.EADDRINUSE or not tries:
                raise


def listen_on_all(
    stack: ExitStack | AsyncExitStack, addresses: Iterable[Address], option: str = "--listen"
) -> list[socket.socket]:
    """Open the sockets of several addresses; `stack` closes them."""
    opened: list[socket.socket] = []
    for address in addresses:
        opened += map(stack.enter_context, listen_on(address, option))
    return opened


def address_of(sock: socket.socket) -> str:
    """Return where a socket listens, as `host:port`."""
    return str(Address(*sock.getsockname()[:2]))


def port_of(sockets: list[socket.socket]) -> int:
    """Return the port that the sockets share: the one the kernel chose if port 0 was requested."""
    return int(sockets[0].getsockname()[1])


def _endpoints(address: Address, option: str) -> list[_Endpoint]:
    if address.host is None:
        families = ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))  # noqa: S104 - what `*` means
        return [_Endpoint(family, host, (), named=False) for family, host in families]
    try:
        found = socket.getaddrinfo(address.host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        why = error.strerror if isinstance(error, socket.gaierror) else "not a host name"
        what = f"cannot find the address of {address.host!r}: {why}; correct it with {option}"
        raise ListenError(errno.EADDRNOTAVAIL, what) from error
    return [
        _Endpoint(family, str(end[0]), tuple(map(int, end[2:])), named=True)
        for family, _, _, _, end in dict.fromkeys(found)
    ]


def _open(endpoints: list[_Endpoint], port: int, option: str) -> list[socket.socket]:
    """Open a socket for every endpoint, or none."""
    with ExitStack() as stack:
        opened: list[socket.socket] = []
        for endpoint in endpoints:
            try:
                sock = _listen(endpoint, port)
            except OSError as error:
                if _is_missing_family(endpoint, error):
                    continue
                raise ListenError(error.errno, _error_text(endpoint, port, error, option)) from error
            opened.append(stack.enter_context(sock))
            port = port_of(opened)
        if not opened:
            raise ListenError(errno.EAFNOSUPPORT, "this node has neither IPv4 nor IPv6")
        stack.pop_all()
        return opened


def _listen(endpoint: _Endpoint, port: int) -> socket.socket:
    with ExitStack() as stack:
        sock = stack.enter_context(socket.socket(endpoint.family, socket.SOCK_STREAM))
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, name, value)
        if endpoint.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((endpoint.host, port, *endpoint.scope))
        sock.listen(BACKLOG)
        stack.pop_all()
        return sock


def _is_missing_family(endpoint: _Endpoint, error: OSError) -> bool:
    """Return whether the node lacks this address family; the other one may still work."""
    return not endpoint.named and error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


def _error_text(endpoint: _Endpoint, port: int, error: OSError, option: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {port} on {endpoint.host} is taken by another process; "
                f"stop it or choose another with {option}"
            )
        case errno.EACCES | errno.EPERM:
            return f"no permission for port {port} on {endpoint.host}; choose one above 1023 with {option}"
        case errno.EADDRNOTAVAIL:
            return f"{endpoint.host} is not an address of this node; choose another with {option}"
        case errno.EAFNOSUPPORT:
            return f"this node lacks the family of {endpoint.host}; choose another address with {option}"
        case number:
            return f"cannot listen on port {port} of {endpoint.host}: {os.strerror(number or 0)}"
