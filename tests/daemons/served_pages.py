"""The HTTP pages of a daemon on a free port, and a peer that requests them."""

import http.client
import socket
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, Gauge
from tests.waiting import PATIENCE

from nodelogd.service.health import Health
from nodelogd.service.http_server import HttpSettings, serving_pages
from nodelogd.service.listening_sockets import Address, listen_on, port_of

RELAXED = HttpSettings(
    max_connections=4,
    connection_timeout=2 * PATIENCE,
    drain_timeout=PATIENCE,
    heartbeat_interval=0.01,
    check_interval=0.05,
)


@asynccontextmanager
async def served_pages(
    settings: HttpSettings = RELAXED,
    health: Health | None = None,
    status: Callable[[], dict[str, object]] = dict,
    host: str | None = "127.0.0.1",
) -> AsyncGenerator[int]:
    registry = CollectorRegistry()
    Gauge("answer", "What it is.", registry=registry).set(42)
    sockets = listen_on(Address(host, 0), "--http")
    port = port_of(sockets)
    async with serving_pages(sockets, health or Health(), registry, status, settings):
        yield port


def get_page(port: int, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def send_raw(port: int, request: bytes) -> bytes:
    """Send bytes as they are; return everything that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as peer:
        peer.sendall(request)
        peer.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: peer.recv(65536), b""))


def connection_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "process_request" in thread.name]
