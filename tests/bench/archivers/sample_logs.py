"""Generated logs that compress like real ones, written as fast as the disk allows, equal for the same seed.

Files take turns in three kinds: access lines of a web server, JSON of an application, and messages of kernel
and services. One hour of a log is generated line by line; the following hours are the same lines with another
hour in their times. Compressors look back 32 KiB and an hour is more than a hundred times that, so they
cannot tell.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOUR: Final = 4 * 1024 * 1024
"""The bytes of an hour, approximately."""
_MARK: Final = b"@@"  # the placeholder for the hour
_AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148",
    "kube-probe/1.30",
    "Prometheus/2.53.0",
    "curl/8.8.0",
)
_PATHS: Final = (
    "/",
    "/healthz",
    "/api/v1/orders",
    "/api/v1/orders/{}",
    "/api/v1/users/{}",
    "/static/app.{}.js",
)
_MESSAGES: Final = (
    "request finished",
    "connection pool exhausted, waiting for a free connection",
    "cache miss",
    "payment accepted",
    "retrying after a temporary failure of the upstream",
)
_UNITS: Final = ("kubelet", "containerd", "systemd", "kernel", "kernel", "kernel")
_KERNEL: Final = (
    "eth0: renamed from veth{:08x}",
    "cni0: port {}(veth{:08x}) entered forwarding state",
    'audit: type=1400 audit(17958{}.{}:{}): apparmor="ALLOWED" operation="open" profile="runc" pid={}',
    "EXT4-fs (sda{}): mounted filesystem with ordered data mode. Quota mode: none. blocks {}",
    "TCP: request_sock_TCP: Possible SYN flooding on port {}. Sending cookies. drops {}",
    "Memory cgroup out of memory: Killed process {} (java) total-vm:{}kB, anon-rss:{}kB, oom_score_adj:{}",
)


def access(chance: random.Random, second: float) -> str:
    """Return an access line of a web server."""
    pick = chance.random
    path = _PATHS[int(pick() ** 2 * len(_PATHS))].format(int(pick() * 90_000))
    status = 200 if pick() < 0.9 else chance.choice((301, 304, 404, 499, 500))
    address = f"10.42.{int(pick() * 4)}.{int(pick() * 200)}"
    agent = _AGENTS[int(pick() ** 2 * len(_AGENTS))]
    return (
        f'{address} - - [22/Nov/2026:@@:{_clock(second)} +0000] "GET {path} HTTP/1.1" {status} '
        f'{int(pick() ** 2 * 50_000)} "-" "{agent}" {pick() ** 3:.3f} {pick() ** 3:.3f}\n'
    )


def application(chance: random.Random, second: float) -> str:
    """Return a line of an application that logs JSON."""
    pick = chance.random
    level = "info" if pick() < 0.95 else "warning"
    return (
        f'{{"time":"2026-11-22T@@:{_clock(second)}.{int(pick() * 1000):03}Z","level":"{level}",'
        f'"logger":"shop.orders","message":"{_MESSAGES[int(pick() ** 3 * len(_MESSAGES))]}",'
        f'"trace_id":"{chance.getrandbits(64):016x}","user":{int(pick() * 3000)},'
        f'"duration_ms":{pick() ** 3 * 900:.1f},"pod":"shop-6d5f9c7b8-x2v4q","node":"node-3"}}\n'
    )


def system(chance: random.Random, second: float) -> str:
    """Return a line as the kernel and the services of a node write it."""
    pick = chance.random
    text = _KERNEL[int(pick() ** 2 * len(_KERNEL))]
    text = text.format(*(int(pick() ** 2 * 40_000) for _ in range(text.count("{"))))
    unit = _UNITS[int(pick() * len(_UNITS))]
    uptime = f"[{second + 84_000:.6f}] " if unit == "kernel" else ""
    return f"Nov 22 @@:{_clock(second)} node-3 {unit}: {uptime}{text}\n"


def _clock(second: float) -> str:
    return f"{int(second // 60):02}:{int(second % 60):02}"


KINDS: Final = (access, application, system)


def hour(kind: Callable[[random.Random, float], str], chance: random.Random) -> bytes:
    """Return the lines of an hour, with a placeholder for the hour."""
    lines, size = [], 0
    while size < HOUR:
        line = kind(chance, size / HOUR * 3600)
        lines.append(line)
        size += len(line)
    return "".join(lines).encode()


class SampleLog:
    """An endless log."""

    def __init__(self, hour: bytes, offset: int) -> None:
        """Start at a line somewhere in the hour, so that no two files are equal."""
        self._hour = hour
        self._at = hour.find(b"\n", offset % len(hour)) + 1
        self._number = 0

    def next_lines(self, size: int) -> Iterator[bytes]:
        """Yield the next lines, `size` bytes or a little more."""
        while size > 0:
            end = self._hour.find(b"\n", min(len(self._hour) - 1, self._at + size - 1)) + 1
            data = self._hour[self._at : end or None].replace(_MARK, b"%02d" % (self._number % 24))
            yield data
            size -= len(data)
            self._at = end
            if self._at in {0, len(self._hour)}:
                self._at, self._number = 0, self._number + 1


class SampleLogs:
    """A directory of growing logs."""

    def __init__(self, folder: Path, sizes: list[int], seed: int = 1) -> None:
        """Write files of these sizes, or a line more."""
        chance = random.Random(seed)  # noqa: S311 (the logs must be the same every time)
        hours = [hour(kind, chance) for kind in KINDS]
        self.folder = folder
        self._logs = [SampleLog(hours[number % 3], chance.randrange(HOUR)) for number in range(len(sizes))]
        self.size = 0
        for number, size in enumerate(sizes):
            self.grow(number, size)

    def grow(self, number: int, size: int) -> None:
        """Append `size` bytes, or a line more, to one file."""
        with self.path(number).open("ab") as file:
            for data in self._logs[number].next_lines(size):
                file.write(data)
                self.size += len(data)

    def path(self, number: int) -> Path:
        """Return the path of one file."""
        return self.folder / f"log-{number:05}.log"
