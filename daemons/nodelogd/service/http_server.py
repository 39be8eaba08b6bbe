"""The HTTP port of a daemon: prometheus_client's threading server, made safe against whoever connects.

Answers come from threads of their own and read a heartbeat that the event loop writes, so a stalled loop is
reported as such instead of as a time-out. Peers are not trusted to send, to read or to leave: every
connection has `timeout` seconds in all, and when there are `connections` of them the oldest is cut for the
newest. So silent peers never keep a probe, which sends its request at once, from its answer.
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
from nodelogd.service.logging_setup import Once

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from nodelogd.service.health import Health

LOG: Final = logging.getLogger(__name__)
SAY_AGAIN_AFTER: Final = 60.0  # seconds
BREATH: Final = 0.1  # seconds to wait when the process has no descriptor left
OUT_OF: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpSettings:
    """What peers may take."""

    connections: int = 32  # at once, per listening socket
    timeout: float = 10.0  # seconds for a connection, from accept to close
    look_every: float = 1.0  # seconds; how exact `timeout` is
    beat_every: float = 1.0  # seconds
    drain: float = 0.2  # seconds for answers under way when the daemon ends


DEFAULTS: Final = HttpSettings()


@asynccontextmanager
async def reporting(
    sockets: Iterable[socket.socket],
    health: "Health",
    registry: "CollectorRegistry",
    status: Callable[[], dict[str, object]],
    settings: HttpSettings = DEFAULTS,
) -> AsyncGenerator[None]:
    """Show the pages on these sockets, which are closed at the end, and let the running loop beat.

    `status` is called from other threads than the loop's.
    """
    pages = Pages(health, registry, status)
    servers = [_Server(found, pages, settings) for found in sockets]
    beating = _Beating(health, settings.beat_every)
    try:
        for server in servers:
            server.start()
        yield
    finally:
        beating.stop()
        await asyncio.to_thread(_end, servers, settings.drain)


class _Beating:
    """Beats as long as the loop turns."""

    def __init__(self, health: "Health", every: float) -> None:
        self._health = health
        self._every = every
        self._loop = asyncio.get_running_loop()
        self._beat()

    def _beat(self) -> None:
        self._health.beat()
        self._next = self._loop.call_later(self._every, self._beat)

    def stop(self) -> None:
        self._next.cancel()


class _Handler(WSGIRequestHandler):
    """One request, silent: what peers do is no news."""

    server: "_Server"
    server_version = "nodelogd"
    sys_version = ""
    default_request_version = "HTTP/1.0"  # the default 0.9 would answer garbage without a status line
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.settings.timeout)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is given
        """Keep no access log."""

    def get_stderr(self) -> io.StringIO:
        """Drop the traceback of a peer that went away; the pages log what is ours."""
        return io.StringIO()


class _Server(ThreadingWSGIServer):
    """One listening socket with a thread for each connection, of which there are never many."""

    def __init__(self, listener: socket.socket, pages: Pages, settings: HttpSettings) -> None:
        # Not TCPServer's __init__: it makes a socket of its own, and binding asks the resolver for our name.
        BaseServer.__init__(self, listener.getsockname(), _Handler)
        self.socket = listener
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()
        self.set_app(pages)
        self.settings = settings
        self._open: dict[socket.socket, float] = {}  # in the order of their deadlines
        self._changed = threading.Condition()
        self._once = Once(SAY_AGAIN_AFTER)
        self._thread = threading.Thread(
            target=self.serve_forever,
            args=(settings.look_every,),
            name=f"http-{listener.fileno()}",
            daemon=True,
        )

    def start(self) -> None:
        self._thread.start()

    def get_request(self) -> tuple[socket.socket, object]:
        try:
            return self.socket.accept()
        except OSError as error:
            if error.errno in OUT_OF:
                time.sleep(BREATH)  # the listener stays readable: without this, a busy loop
            raise

    def process_request(  # type: ignore[override]  # datagrams come as pairs, but not here
        self, request: socket.socket, client_address: object
    ) -> None:
        with self._changed:
            if not self._room():
                self._cut(next(iter(self._open)))
            if not self._changed.wait_for(self._room, timeout=1.0):
                self.shutdown_request(request)
                return
            self._open[request] = time.monotonic() + self.settings.timeout
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]  # as above
        """Close a connection, once nobody can cut it any more: its descriptor may soon be another one's."""
        with self._changed:
            self._open.pop(request, None)
            self._changed.notify_all()
        super().shutdown_request(request)

    def service_actions(self) -> None:
        now = time.monotonic()
        with self._changed:
            for request, deadline in self._open.items():
                if deadline > now:
                    break
                self._cut(request)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - given
        error = sys.exception()
        if not isinstance(error, OSError):  # those are time-outs and resets: the peer's doing
            self._once.log(LOG, logging.ERROR, "answer", "cannot answer over HTTP: %s", error, exc_info=error)

    def stop(self) -> None:
        """Accept nothing more."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, which else sleeps for `look_every`
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()

    def drain(self, deadline: float) -> None:
        """Let answers under way be sent, then cut what is left."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, timeout=max(0.0, deadline - time.monotonic()))
            for request in self._open:
                self._cut(request)
            self._changed.wait_for(lambda: not self._open, timeout=BREATH)

    def _room(self) -> bool:
        return len(self._open) < self.settings.connections

    @staticmethod
    def _cut(request: socket.socket) -> None:
        """End a connection from outside: its thread sees the end of the stream and closes it."""
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)


def _end(servers: list[_Server], drain: float) -> None:
    deadline = time.monotonic() + drain
    for server in servers:
        server.stop()
    for server in servers:
        server.drain(deadline)
