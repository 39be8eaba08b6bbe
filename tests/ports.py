"""Ports for programs that a test starts: no other test gets them meanwhile."""

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
    """Yield ports on which nothing listens, each once.

    They are below the kernel's ephemeral range, so the kernel never assigns one by itself. Where tests run in
    several processes, each process takes its own share of them.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own_ports = range(first // 2 + worker, first, workers)
    for port in random.sample(own_ports, len(own_ports)):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            yield port


def held_port() -> socket.socket:
    """Return a socket that reserves a port: a program can listen on it, end, and listen again.

    Without it, the kernel could assign the port to another test in between.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((HOST, 0))
    return holder


def port_of(holder: socket.socket) -> int:
    """Return the port that a socket holds."""
    return int(holder.getsockname()[1])
