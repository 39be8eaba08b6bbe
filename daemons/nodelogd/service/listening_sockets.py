"""The sockets that a daemon listens on.

`*:PORT` means every family that the node has, each with a socket of its own (`IPV6_V6ONLY`): one dual-stack
socket would show IPv4 peers as `::ffff:10.0.0.1`, and fail altogether where IPv6 is switched off.
"""

import errno
import os
import socket
from collections.abc import Iterable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import Final

BACKLOG: Final = 4096
FREE_PORT_TRIES: Final = 16
# A peer that is gone without a word is noticed after two minutes. Accepted sockets inherit all this on Linux.
KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


class ListenError(OSError):
    """A socket cannot be opened; the message is one line and says what an operator can do."""

    def __str__(self) -> str:
        return str(self.strerror)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; without a host on every family of the node, on port 0 on a free port."""

    host: str | None
    port: int

    def __str__(self) -> str:
        host = "*" if self.host is None else f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One address of one family; only a named one must exist on the node."""

    family: int
    host: str
    rest: tuple[int, ...]
    """What IPv6 has behind the port: flow, and for link-local addresses the number of the interface."""
    named: bool


def listening(address: Address, option: str = "--listen") -> list[socket.socket]:
    """Open the sockets of `address`: listening, non-blocking, all on the same port.

    `option` is what the message of a ListenError tells the operator to change. The caller closes the sockets.
    """
    endpoints = _endpoints(address, option)
    tries = FREE_PORT_TRIES if address.port == 0 else 1
    while True:
        tries -= 1
        try:
            return _open(endpoints, address.port, option)
        except ListenError as error:
            # The port that was free for the first family is taken in the second: draw another one.
            if error.errno != errno.EADDRINUSE or not tries:
                raise


def listening_all(
    stack: ExitStack | AsyncExitStack, addresses: Iterable[Address], option: str = "--listen"
) -> list[socket.socket]:
    """Open the sockets of several addresses, as long as the stack lasts."""
    opened: list[socket.socket] = []
    for address in addresses:
        opened += map(stack.enter_context, listening(address, option))
    return opened


def shown(sock: socket.socket) -> str:
    """Say where a socket listens."""
    return str(Address(*sock.getsockname()[:2]))


def port_of(sockets: list[socket.socket]) -> int:
    """Return the port that they share, which matters where port 0 was asked for."""
    return int(sockets[0].getsockname()[1])


def _endpoints(address: Address, option: str) -> list[_Endpoint]:
    if address.host is None:
        both = ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))  # noqa: S104 - what `*` means
        return [_Endpoint(family, host, (), named=False) for family, host in both]
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
    """Open all of them or none."""
    with ExitStack() as stack:
        opened: list[socket.socket] = []
        for endpoint in endpoints:
            try:
                found = _listen(endpoint, port)
            except OSError as error:
                if _lacking(endpoint, error):
                    continue
                raise ListenError(error.errno, _advice(endpoint, port, error, option)) from error
            opened.append(stack.enter_context(found))
            port = port_of(opened)
        if not opened:
            raise ListenError(errno.EAFNOSUPPORT, "this node has neither IPv4 nor IPv6")
        stack.pop_all()
        return opened


def _listen(endpoint: _Endpoint, port: int) -> socket.socket:
    with ExitStack() as stack:
        found = stack.enter_context(socket.socket(endpoint.family, socket.SOCK_STREAM))
        found.setblocking(False)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE:
            found.setsockopt(socket.IPPROTO_TCP, name, value)
        if endpoint.family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.bind((endpoint.host, port, *endpoint.rest))
        found.listen(BACKLOG)
        stack.pop_all()
        return found


def _lacking(endpoint: _Endpoint, error: OSError) -> bool:
    """Tell whether the node has no such family, which is no reason to give up the other one."""
    return not endpoint.named and error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


def _advice(endpoint: _Endpoint, port: int, error: OSError, option: str) -> str:
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
