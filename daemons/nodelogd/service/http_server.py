"""The HTTP server of a daemon: prometheus_client's threading server, hardened against slow and silent peers.

Responses are sent from threads of their own, and read a heartbeat that the event loop writes: a stalled loop
is reported as stalled instead of as a timeout. No peer is trusted to send, to read or to disconnect: every
connection is cut after `connection_timeout` seconds, and at `max_connections` the oldest one is cut to admit
the newest. So silent peers never keep a probe, which sends its request at once, from its response.
"""

import asyncio
import errno
import io
import logging
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from socketserver import BaseServer
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client.exposition import ThreadingWSGIServer

from nodelogd.service.http_pages import Pages
from nodelogd.service.rate_limited_log import RateLimitedLog

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from nodelogd.service.health import Health

LOG: Final = logging.getLogger(__name__)
LOG_INTERVAL: Final = 60.0  # seconds
RETRY_DELAY: Final = 0.1  # seconds to wait when the process has no descriptor left
CUT_TIMEOUT: Final = 0.1  # seconds to wait for the threads of connections that were cut
OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpSettings:
    """Limits for peers, and intervals."""

    max_connections: int = 32  # per listening socket
    connection_timeout: float = 10.0  # seconds, from accept to close
    check_interval: float = 1.0  # seconds; the precision of `connection_timeout`
    heartbeat_interval: float = 1.0  # seconds
    drain_timeout: float = 0.2  # seconds for responses in progress when the daemon stops


DEFAULTS: Final = HttpSettings()


@asynccontextmanager
async def serving_pages(
    sockets: Iterable[socket.socket],
    health: "Health",
    registry: "CollectorRegistry",
    status: Callable[[], dict[str, object]],
    settings: HttpSettings = DEFAULTS,
) -> AsyncGenerator[None]:
    """Serve the pages on these sockets, close them at the end, and record the heartbeat of the running loop.

    `status` is called from the server's threads, not from the loop's.
    """
    pages = Pages(health, registry, status)
    servers = [_Server(listener, pages, settings) for listener in sockets]
    heartbeat = _Heartbeat(health, settings.heartbeat_interval)
    try:
        for server in servers:
            server.start()
        yield
    finally:
        heartbeat.stop()
        await asyncio.to_thread(_stop, servers, settings.drain_timeout)


class _Heartbeat:
    """Calls `Health.beat` while the loop turns."""

    def __init__(self, health: "Health", interval: float) -> None:
        self._health = health
        self._interval = interval
        self._loop = asyncio.get_running_loop()
        self._beat()

    def _beat(self) -> None:
        self._health.beat()
        self._next = self._loop.call_later(self._interval, self._beat)

    def stop(self) -> None:
        self._next.cancel()


class _Handler(WSGIRequestHandler):
    """One request, without an access log."""

    server: "_Server"
    server_version = "nodelogd"
    sys_version = ""
    default_request_version = "HTTP/1.0"  # the default 0.9 would answer garbage without a status line
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.settings.connection_timeout)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is inherited
        """Keep no access log."""

    def get_stderr(self) -> io.StringIO:
        """Discard the traceback of a peer that disconnected; the pages log their own errors."""
        return io.StringIO()


class _Server(ThreadingWSGIServer):
    """One listening socket, and a thread per connection, up to `max_connections`."""

    def __init__(self, listener: socket.socket, pages: Pages, settings: HttpSettings) -> None:
        # Not TCPServer's __init__: it opens a socket of its own, and its bind asks the resolver for our name.
        BaseServer.__init__(self, listener.getsockname(), _Handler)
        self.socket = listener
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()
        self.set_app(pages)
        self.settings = settings
        self._deadlines: dict[socket.socket, float] = {}  # of open connections, the earliest first
        self._changed = threading.Condition()
        self._errors = RateLimitedLog(LOG, LOG_INTERVAL)
        self._thread = threading.Thread(
            target=self.serve_forever,
            args=(settings.check_interval,),
            name=f"http-{listener.fileno()}",
            daemon=True,
        )

    def start(self) -> None:
        self._thread.start()

    def get_request(self) -> tuple[socket.socket, object]:
        try:
            return self.socket.accept()
        except OSError as error:
            if error.errno in OUT_OF_RESOURCES:
                time.sleep(RETRY_DELAY)  # the listener stays readable: without this, a busy loop
            raise

    def process_request(  # type: ignore[override]  # a pair for datagrams, but not here
        self, request: socket.socket, client_address: object
    ) -> None:
        with self._changed:
            if not self._has_room():
                self._cut(next(iter(self._deadlines)))
            if not self._changed.wait_for(self._has_room, timeout=1.0):
                self.shutdown_request(request)
                return
            self._deadlines[request] = time.monotonic() + self.settings.connection_timeout
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]  # as above
        """Close a connection, after no other thread can cut it: its descriptor may soon be reused."""
        with self._changed:
            self._deadlines.pop(request, None)
            self._changed.notify_all()
        super().shutdown_request(request)

    def service_actions(self) -> None:
        now = time.monotonic()
        with self._changed:
            for request, deadline in self._deadlines.items():
                if deadline > now:
                    break
                self._cut(request)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - inherited
        error = sys.exception()
        if not isinstance(error, OSError):  # timeouts and resets come from the peer
            self._errors.log(logging.ERROR, "answer", "cannot answer over HTTP: %s", error, exc_info=error)

    def stop(self) -> None:
        """Stop accepting connections."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, which would sleep for `check_interval`
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()

    def drain(self, deadline: float) -> None:
        """Wait until responses in progress are sent or `deadline` passes, then cut the rest."""
        with self._changed:
            self._changed.wait_for(lambda: not self._deadlines, timeout=max(0.0, deadline - time.monotonic()))
            for request in self._deadlines:
                self._cut(request)
            self._changed.wait_for(lambda: not self._deadlines, timeout=CUT_TIMEOUT)

    def _has_room(self) -> bool:
        return len(self._deadlines) < self.settings.max_connections

    @staticmethod
    def _cut(request: socket.socket) -> None:
        """Shut a connection down; its own thread sees the end of the stream and closes it."""
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)


def _stop(servers: list[_Server], drain_timeout: float) -> None:
    deadline = time.monotonic() + drain_timeout
    for server in servers:
        server.stop()
    for server in servers:
        server.drain(deadline)
