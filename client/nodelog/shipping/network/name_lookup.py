"""The addresses of a host that is given by name, looked up in a thread of its own.

A lookup cannot be interrupted and has no time limit: a name server that swallows queries holds it up for
minutes. So nobody waits for one. The thread is a daemon: it does not hold up the end of the program either.
"""

from __future__ import annotations

import _socket
import errno
import socket
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nodelog.unpatched import allocate_lock, getaddrinfo, is_patched, start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Endpoint: TypeAlias = "tuple[int, Any]"
"""The address family, and the address with its port."""

LOOKUP_SECONDS: Final = 5.0
"""The time after which it is reported that the name server does not answer."""
NO_ANSWER: Final = "the name server does not answer"
_MAX_ENDPOINTS: Final = 64  # of one round: each may take seconds to turn out as useless


class NameLookup:
    """The endpoints of some hosts; at most one thread at a time looks their names up.

    `on_done` is called from that thread after each lookup; it must not raise or block.
    """

    def __init__(self, hosts: Iterable[str], port: int, on_done: Callable[[], None]) -> None:
        self._hosts = tuple(hosts)
        self._port = port
        self._on_done = on_done
        self._is_started = False
        self._running = allocate_lock()  # held by the thread
        self._outcome: list[Endpoint] | OSError | None = None  # of the thread, once it has one

    @property
    def is_pending(self) -> bool:
        """Whether a lookup is under way."""
        return self._is_started and self._outcome is None

    @property
    def is_done(self) -> bool:
        """Whether a lookup has ended whose result was not taken yet."""
        return self._outcome is not None

    def take_result(self) -> list[Endpoint] | None:
        """Return the endpoints, in order; None while they are being looked up.

        The first call starts a lookup, and so does the first one after a result. If all hosts are addresses,
        there is nothing to look up. Raises OSError if no host has an address.
        """
        if not self._is_started:
            if literal := _literal_endpoints(self._hosts, self._port):
                return literal
            self._start()
        outcome = self._outcome
        if outcome is None:
            return None
        self._is_started, self._outcome = False, None
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    def wait_for_result(self, seconds: float) -> list[Endpoint]:
        """Return the endpoints; a signal handler that raises ends the wait.

        Raises OSError if there are none, or if the name server has not answered within `seconds`; the next
        call waits for the same lookup.
        """
        found = self.take_result()
        if found is None:
            if self._running.acquire(timeout=seconds):
                self._running.release()
            found = self.take_result()
        if found is None:
            raise TimeoutError(errno.ETIMEDOUT, NO_ANSWER)
        return found

    def _start(self) -> None:
        self._running.acquire()
        try:
            start_thread(self._look_up, "nodelog-lookup")
        except RuntimeError as error:  # too many threads, or the program is ending
            self._running.release()
            raise OSError(f"cannot look up its name: {error}") from None
        self._is_started = True

    def _look_up(self) -> None:
        try:
            self._outcome = resolve(self._hosts, self._port)
        except OSError as error:
            self._outcome = error
        except Exception as error:  # noqa: BLE001 (a program may have replaced the resolver by anything)
            self._outcome = OSError(f"the lookup failed: {error!r}")
        self._running.release()
        self._on_done()


def resolve(hosts: Iterable[str], port: int) -> list[Endpoint]:
    """Return the endpoints of those hosts that have any, in order; wait for the name server.

    Raises OSError if there are none.
    """
    found: list[Endpoint] = []
    failure = OSError("its name has no address")
    for host in hosts:
        try:
            found += _literal_endpoint(host, port) or _query(host, port)
        except OSError as error:
            failure = error
    if not found:
        raise failure
    return list(dict.fromkeys(found))[:_MAX_ENDPOINTS]


def connect_to(endpoints: Iterable[Endpoint], seconds: float) -> socket.socket:
    """Return a connection to the first endpoint that accepts one within `seconds`. Raises OSError."""
    failure = OSError("no address to connect to")
    for family, address in endpoints:
        try:
            connection = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # too many open files, or the node lacks the family
            failure = error
            continue
        try:
            connection.settimeout(seconds)
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure


def lookup_failure(error: OSError) -> str:
    """Return why a lookup failed, for an operator."""
    text = error.strerror or str(error)
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return f"{NO_ANSWER} ({text})"
    return text


def _query(host: str, port: int) -> list[Endpoint]:
    try:
        infos = (getaddrinfo if is_patched() else socket.getaddrinfo)(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        # A resolver that gets no descriptor says that the name is unknown; this says "Too many open files".
        _socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
        raise
    except ValueError as error:  # a name that cannot be encoded
        raise OSError(f"not a name: {error}") from None
    return [(family, address) for family, _, _, _, address in infos]


def _literal_endpoints(hosts: Iterable[str], port: int) -> list[Endpoint]:
    """Return the endpoints if each host is an address, else nothing."""
    found = [_literal_endpoint(host, port) for host in hosts]
    return list(dict.fromkeys(chain.from_iterable(found))) if all(found) else []


def _literal_endpoint(host: str, port: int) -> list[Endpoint]:
    """Return the endpoint of an address; nothing for a name."""
    # Without getaddrinfo: it uses locks and imports, which a forked child may find in mid-operation.
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return [(family, (host, port))]
    return []
