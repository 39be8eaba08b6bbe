"""Ports for programs that a test starts, which nobody else gets meanwhile."""

from __future__ import annotations

import os
import random
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"


def free_ports() -> Iterator[int]:
    """Give ports where nobody listens, each once.

    They are of those that the kernel gives nobody who does not ask for them. Where tests run in several
    processes, each process has its own.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ours = range(first // 2 + worker, first, workers)
    for port in random.sample(ours, len(ours)):
        with socket.socket() as tried, suppress(OSError):
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((HOST, port))
            yield port


def held_port() -> socket.socket:
    """Give a socket that holds a port: a program can listen there, end and listen again.

    Without it the kernel could give the port to another test between the two.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((HOST, 0))
    return holder


def port_of(holder: socket.socket) -> int:
    """Say which one a socket holds."""
    return int(holder.getsockname()[1])
