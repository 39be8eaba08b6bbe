"""The collectors that are compared, and how each is started."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.collectors.other_collectors import (
    SYSLOG_NG_ENVIRONMENT,
    fluent_bit,
    fluent_bit_path,
    imrelp,
    rsyslog,
    rsyslogd,
    syslog_ng,
    syslog_ng_version,
)
from tests.bench.workspace import Workspace, compiled, find_program, version_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A collector."""

    name: str
    version: Callable[[], str]  # raises Unavailable
    command: Callable[[Workspace], list[str]]
    volume: int = GIB // 8
    """Bytes to send in blocks; chosen so that a run takes a few seconds."""
    rotates: bool = False
    """Whether its lines go to many files; then its metrics show how much is written, else the file size."""
    load_options: tuple[str, ...] = ()
    """Options of the load generator, if it is not to send plain lines."""
    max_connections: int = 1 << 20
    """The most connections it is measured with."""
    environment: Mapping[str, str] | None = None


def _logd(*options: str) -> Callable[[Workspace], list[str]]:
    def command(place: Workspace) -> list[str]:
        ports = [f"--listen=127.0.0.1:{place.port}", f"--http=127.0.0.1:{place.http}"]
        return [str(Path(sys.executable).with_name("logd")), f"--log={place.log}", *ports, *options]

    return command


def _logd_version() -> str:
    return version_line(str(Path(sys.executable).with_name("logd")), "--version")


def _bound() -> str:
    return compiled("bound")


def _bound_version() -> str:
    return f"{Path(_bound()).name}, {version_line(find_program('cc', ''), '--version')}"


def _nc(place: Workspace) -> list[str]:
    loop = f"exec {_busybox()} nc -ll -p {place.port} -e sh -c 'cat >> {place.log}'"
    return ["sh", "-c", loop]


def _busybox() -> str:
    return find_program("busybox", "apt-get install busybox")


ONE_FILE = "--rotate-size=1TiB"  # defaults otherwise; the other collectors do not rotate and compress either
SYSTEMS = (
    System(name="logd", version=_logd_version, command=_logd(ONE_FILE), volume=GIB),
    System(name="logd, gzip", version=_logd_version, command=_logd("--sync=batch", "--rotate-size=64MiB"),
           volume=GIB, rotates=True),
    System(name="RELP, interval", version=_logd_version, command=_logd(ONE_FILE, "--sync=interval=1s"),
           volume=GIB, load_options=("--protocol=relp",)),
    System(name="RELP, batch", version=_logd_version, command=_logd(ONE_FILE, "--sync=batch"), volume=GIB,
           load_options=("--protocol=relp",)),
    System(name="imrelp", version=lambda: version_line(rsyslogd(), "-v"), command=imrelp,
           volume=GIB // 16, load_options=("--protocol=relp", "--frames=syslog")),
    System(name="C bound", version=_bound_version, command=lambda p: [_bound(), str(p.port), str(p.log)],
           volume=GIB),
    System(name="rsyslog", version=lambda: version_line(rsyslogd(), "-v"), command=rsyslog),
    System(name="syslog-ng", version=syslog_ng_version, command=syslog_ng,
           environment=SYSLOG_NG_ENVIRONMENT),
    System(name="Fluent Bit", version=lambda: version_line(fluent_bit_path(), "--version"),
           command=fluent_bit),
    System(name="nc, cat", version=lambda: version_line(_busybox()), command=_nc, volume=GIB,
           max_connections=64),
)  # fmt: skip
